#include "storage/model/need_type.hpp"

#include <algorithm>

namespace rowlock {

static_assert(static_cast<int>(need_type::success) == 1 && static_cast<int>(need_type::completion) == 2 && static_cast<int>(need_type::data_ready) == 3);

std::string_view name_of(need_type type)
{
    return need_type_names.at(static_cast<std::size_t>(type) - 1);
}

need_type need_type_of(std::string_view name)
{
    return static_cast<need_type>(1 + (std::find(need_type_names.begin(), need_type_names.end(), name) - need_type_names.begin()));
}

}
