#include "storage/model/job.hpp"

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

}
