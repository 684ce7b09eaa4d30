#include "storage/model/trigger.hpp"

#include <algorithm>

namespace rowlock {

static_assert(static_cast<int>(trigger_kind::data_arrival) == 1 && static_cast<int>(trigger_kind::webhook) == 4);

trigger_kind trigger_kind_of(std::string_view name)
{
    return static_cast<trigger_kind>(std::find(trigger_kind_names.begin(), trigger_kind_names.end(), name) - trigger_kind_names.begin() + 1);
}

std::string_view to_string(trigger_kind kind)
{
    return trigger_kind_names[static_cast<std::size_t>(kind) - 1];
}

}
