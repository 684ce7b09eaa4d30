#include "storage/model/job.hpp"

#include <algorithm>

namespace rowlock {

std::string_view type_of(const handler_spec& handler)
{
    struct name {
        std::string_view operator()(const noop_handler&) const { return "noop"; }
        std::string_view operator()(const sleep_handler&) const { return "sleep"; }
        std::string_view operator()(const fail_handler&) const { return "fail"; }
        std::string_view operator()(const process_handler&) const { return "process"; }
        std::string_view operator()(const http_handler&) const { return "http"; }
        std::string_view operator()(const sql_handler&) const { return "sql"; }
        std::string_view operator()(const composite_handler&) const { return "composite"; }
    };
    return std::visit(name{}, handler);
}

static_assert(static_cast<int>(cancel_cascade::none) == 0 && static_cast<int>(cancel_cascade::immediate_dependents) == 1
              && static_cast<int>(cancel_cascade::all_downstream) == 2);

cancel_cascade cancel_cascade_of(std::string_view name)
{
    return static_cast<cancel_cascade>(std::find(cancel_cascade_names.begin(), cancel_cascade_names.end(), name) - cancel_cascade_names.begin());
}

}
