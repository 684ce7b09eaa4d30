#include "storage/failure_store.hpp"

#include "storage/rows.hpp"

namespace rowlock::storage {

namespace {

float seconds(std::chrono::milliseconds span)
{
    return static_cast<float>(span.count()) / 1000;
}

retry_refusal refusal_of(std::string_view name)
{
    if (name == "NOT_FOUND") return retry_refusal::not_found;
    if (name == "LIVE") return retry_refusal::live;
    if (name == "ENDED") return retry_refusal::ended;
    if (name == "DUPLICATE") return retry_refusal::duplicate;
    return retry_refusal::none;
}

}

constexpr statement record_error_statement{"record_error", "select record_error_1($1::int2, $2::uuid, $3::int2, $4, $5, $6::jsonb)"};

void record_error(session& s, const error_record& what)
{
    s.exec(record_error_statement, static_cast<int>(what.queue), what.id.str(), static_cast<int>(what.category), what.code, what.message, what.details_json);
}

constexpr statement retry_statement{"retry", "select next, refusal from retry_1($1, array[$2::uuid], $3, $4)"};

retry_answer retry(session& s, tenant_key tenant, execution_id id, const std::string& actor, std::chrono::milliseconds priority_age)
{
    const auto row = s.exec(retry_statement, tenant.value, id.str(), actor, seconds(priority_age))[0];
    if (row[0].is_null()) return {refusal_of(row[1].c_str()), {}};
    return {retry_refusal::none, id_of(row[0])};
}

}
