#include "storage/error_store.hpp"

#include "storage/model/error_codes.hpp"
#include "storage/model/json_text.hpp"
#include "storage/rows.hpp"
#include "storage/time_cursor.hpp"

namespace rowlock::storage {

namespace {

// A filter as the parameters of a statement, which must not outlive it.
struct columns : failure_columns {
    explicit columns(const error_filter& f) : failure_columns(f.what)
    {
        if (f.queue) queue = std::to_string(static_cast<int>(*f.queue));
        if (f.category) category = std::to_string(static_cast<int>(*f.category));
    }

    std::string queue{};
    std::string category{};
};

// An item of the database with what this program knows of its code.
std::string with_hint(std::string item, const pqxx::field& code)
{
    item.pop_back();
    item += ",\"hint\":";
    append_string(item, hint_of(code.is_null() ? "" : code.c_str()));
    item += '}';
    return item;
}

}

std::string_view to_string(error_queue q)
{
    switch (q) {
    case error_queue::scheduling: return "scheduling_errors";
    case error_queue::dependency: return "dependency_errors";
    case error_queue::execution: return "execution_errors";
    }
    return "";
}

std::optional<error_queue> parse_error_queue(std::string_view text)
{
    for (const auto q : {error_queue::scheduling, error_queue::dependency, error_queue::execution}) {
        if (text == to_string(q)) return q;
    }
    return std::nullopt;
}

#define ROWLOCK_ERROR_FILTER \
    " x.tenant_key = $1" \
    " and ($2::text is null or x.job_key = (select j.job_key from jobs j where j.tenant_key = $1 and j.job_id = $2))" \
    " and ($3::text is null or coalesce(x.error_code, (select r.error_code from results r where r.execution_id = x.execution_id)) = $3)" \
    " and ($4::timestamptz is null or x.created_at >= $4) and ($5::timestamptz is null or x.created_at < $5)" \
    " and ($6::int2 is null or x.queue = $6) and ($7::int2 is null or x.category = $7)"
// The members of ExecutionError; what else its kind has is in the details.
#define ROWLOCK_ERROR_JSON \
    "(jsonb_build_object('stack_trace', null) || v.details || jsonb_build_object('error_id', v.error_id, 'queue', v.queue, 'tenant_id', v.tenant_id, 'job_id', v.job_id," \
    " 'execution_id', v.execution_id, 'run_id', v.run_id, 'attempt_number', v.attempt_number, 'error_category', v.error_category, 'error_code', v.error_code," \
    " 'error_message', v.error_message, 'will_retry', v.will_retry, 'next_retry_time', rfc3339(v.next_retry_time), 'created_time', rfc3339(v.created_time)," \
    " 'context', (select jsonb_strip_nulls(jsonb_build_object('correlation_id', e.correlation_id, 'trace_parent', e.trace_parent, 'submitter', e.submitter," \
    "     'trigger_type', trigger_type_name(e.trigger_type), 'instance_id', (select r.instance_id::text from results r where r.execution_id = e.execution_id)))" \
    "     from executions e where e.execution_id = v.execution_id)))"

constexpr statement list_errors_statement{"list_errors",
    "select " ROWLOCK_ERROR_JSON ", rfc3339(page.created_at) || '_' || page.error_id, v.error_code from ("
    "  select x.error_id, x.created_at from errors x where" ROWLOCK_ERROR_FILTER
    "  and ($8::timestamptz is null or (x.created_at, x.error_id) < ($8, $9::uuid))"
    "  order by x.created_at desc, x.error_id desc limit $10) page"
    " cross join lateral (select * from v_errors v where v.error_id = page.error_id) v"
    " order by page.created_at desc, page.error_id desc"};

std::optional<page> list_errors_json(session& s, tenant_key tenant, const error_filter& filter, int limit, const std::string& cursor)
{
    const auto after = parse_time_cursor(cursor);
    if (!after && !cursor.empty()) return std::nullopt;
    const columns c(filter);
    const place_columns place(after);
    const auto rows = s.exec(list_errors_statement, tenant.value, c.job_id(), c.error_code(), or_null(c.since), or_null(c.until), or_null(c.queue),
                             or_null(c.category), or_null(place.time), or_null(place.id), limit + 1);
    page found = page_of(rows, limit);
    for (std::size_t i = 0; i < found.items.size(); ++i) {
        found.items[i] = with_hint(std::move(found.items[i]), rows[static_cast<pqxx::result::size_type>(i)][2]);
    }
    return found;
}

constexpr statement find_error_statement{"find_error",
    "select " ROWLOCK_ERROR_JSON ", v.error_code from v_errors v where v.error_id = $2"
    " and exists (select from errors x where x.error_id = $2 and x.tenant_key = $1)"};

std::optional<std::string> find_error_json(session& s, tenant_key tenant, execution_id error_id)
{
    const auto rows = s.exec(find_error_statement, tenant.value, error_id.str());
    if (rows.empty()) return std::nullopt;
    return with_hint(rows[0][0].c_str(), rows[0][1]);
}

constexpr statement count_errors_statement{"count_errors", "select count(*) from errors x where" ROWLOCK_ERROR_FILTER};

std::int64_t count_errors(session& s, tenant_key tenant, const error_filter& filter)
{
    const columns c(filter);
    return s.exec(count_errors_statement, tenant.value, c.job_id(), c.error_code(), or_null(c.since), or_null(c.until), or_null(c.queue), or_null(c.category))[0][0]
        .as<std::int64_t>();
}

constexpr statement execution_of_error_statement{"execution_of_error", "select x.execution_id from errors x where x.error_id = $2 and x.tenant_key = $1"};

std::optional<std::optional<execution_id>> find_execution_of_error(session& s, tenant_key tenant, execution_id error_id)
{
    const auto rows = s.exec(execution_of_error_statement, tenant.value, error_id.str());
    if (rows.empty()) return std::nullopt;
    if (rows[0][0].is_null()) return std::optional<execution_id>();
    return id_of(rows[0][0]);
}

constexpr statement delete_error_statement{"delete_error", "delete from errors x where x.error_id = $2 and x.tenant_key = $1"};

bool delete_error(session& s, tenant_key tenant, execution_id error_id)
{
    return s.exec(delete_error_statement, tenant.value, error_id.str()).affected_rows() > 0;
}

constexpr statement purge_errors_statement{"purge_errors",
    "with gone as (delete from errors where error_id = any (array("
    "    select x.error_id from errors x where" ROWLOCK_ERROR_FILTER
    "    order by x.created_at, x.error_id limit $8 for update of x skip locked)) returning 1) select count(*) from gone"};

int purge_errors(session& s, tenant_key tenant, const error_filter& filter, int limit)
{
    const columns c(filter);
    return s.exec(purge_errors_statement, tenant.value, c.job_id(), c.error_code(), or_null(c.since), or_null(c.until), or_null(c.queue), or_null(c.category),
                  limit)[0][0].as<int>();
}

}
