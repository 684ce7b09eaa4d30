#include "runtime/handlers/sql_binds.hpp"

#include "runtime/handlers/template.hpp"
#include "storage/model/json_text.hpp"

#include <fmt/format.h>
#include <limits>

namespace rowlock::runtime {

namespace json = boost::json;

namespace {

// From PostgreSQL's pg_type, where these never change.
constexpr unsigned int bool_type = 16;
constexpr unsigned int bigint_type = 20;
constexpr unsigned int integer_type = 23;
constexpr unsigned int numeric_type = 1700;
constexpr unsigned int jsonb_type = 3802;

bool fits_integer(std::int64_t n)
{
    return n >= std::numeric_limits<std::int32_t>::min() && n <= std::numeric_limits<std::int32_t>::max();
}

sql_bind bind_of(const json::value& value)
{
    switch (value.kind()) {
    case json::kind::null: return {};
    case json::kind::bool_: return {bool_type, value.get_bool() ? "true" : "false"};
    case json::kind::int64: return {fits_integer(value.get_int64()) ? integer_type : bigint_type, std::to_string(value.get_int64())};
    case json::kind::uint64: return {numeric_type, std::to_string(value.get_uint64())};
    case json::kind::double_: return {numeric_type, to_text(value)};
    case json::kind::string: return {0, std::string(value.get_string().data(), value.get_string().size())};
    case json::kind::array:
    case json::kind::object: return {jsonb_type, to_text(value)};
    }
    return {};
}

}

attempted<std::vector<sql_bind>> sql_binds_of(const std::vector<std::string>& names, const assignment& work)
{
    const auto parameters = parse_json(work.parameters);
    if (!parameters) return failure{"STATE_CORRUPTION", "the parameters of this execution are not JSON: " + parameters.error().detail};
    const json::value id(json::string(work.id.str()));
    const json::value run(json::string(work.run_id.str()));
    const json::value job(json::string(work.job->definition.job_id));
    const json::value attempt_number(work.attempt_number);
    const template_roots roots{parameters_root(*parameters), {"execution_id", id, "it has no"}, {"run_id", run, "it has no"}, {"job_id", job, "it has no"},
                               {"attempt_number", attempt_number, "it has no"}};
    std::vector<sql_bind> binds;
    for (const auto& name : names) {
        // A string that is one template has the value that it names, with its type.
        const auto value = fill(json::value(json::string(fmt::format("{{{{ {} }}}}", name))), roots);
        if (!value) return value.error();
        binds.push_back(bind_of(*value));
    }
    return binds;
}

}
