#include "storage/dead_letter_store.hpp"

#include "storage/array.hpp"
#include "storage/rows.hpp"

namespace rowlock::storage {

namespace {

// A filter as the parameters of a statement, which must not outlive it.
struct columns : failure_columns {
    explicit columns(const dead_letter_filter& f) : failure_columns(f.what)
    {
        if (f.status) status = to_string(*f.status);
        for (const auto& id : f.ids) ids += (ids.empty() ? "{" : ",") + id.str();
        if (!ids.empty()) ids += '}';
    }

    std::string status{};
    std::string ids{};
};

}

std::string_view to_string(dead_letter_status s)
{
    switch (s) {
    case dead_letter_status::open: return "OPEN";
    case dead_letter_status::retried: return "RETRIED";
    }
    return "";
}

std::optional<dead_letter_status> parse_dead_letter_status(std::string_view text)
{
    for (const auto s : {dead_letter_status::open, dead_letter_status::retried}) {
        if (text == to_string(s)) return s;
    }
    return std::nullopt;
}

#define ROWLOCK_DEAD_LETTER_FILTER \
    " d.tenant_key = $1 and d.expires_at > clock()" \
    " and ($2::text is null or d.job_key = (select j.job_key from jobs j where j.tenant_key = $1 and j.job_id = $2))" \
    " and ($3::text is null or (select r.error_code from results r where r.execution_id = d.dead_letter_id) = $3)" \
    " and ($4::timestamptz is null or d.created_at >= $4) and ($5::timestamptz is null or d.created_at < $5)" \
    " and ($6::text is null or d.status = $6) and ($7::uuid[] is null or d.dead_letter_id = any ($7))"
#define ROWLOCK_DEAD_LETTER_JSON \
    "json_build_object('dead_letter_id', v.dead_letter_id, 'execution_id', v.execution_id, 'run_id', v.run_id, 'job_id', v.job_id, 'job_version', v.job_version," \
    " 'tenant_id', v.tenant_id, 'attempt_number', v.attempt_number, 'error_code', v.error_code, 'error_message', v.error_message, 'parameters', v.parameters," \
    " 'created_time', rfc3339(v.created_time), 'expires_at', rfc3339(v.expires_at), 'status', v.status, 'retried_time', rfc3339(v.retried_time)," \
    " 'retried_by', v.retried_by, 'retried_as', v.retried_as)"

constexpr statement list_dead_letters_statement{"list_dead_letters",
    "select " ROWLOCK_DEAD_LETTER_JSON ", rfc3339(page.created_at) || '_' || page.dead_letter_id from ("
    "  select d.dead_letter_id, d.created_at from dead_letters d where" ROWLOCK_DEAD_LETTER_FILTER
    "  and ($8::timestamptz is null or (d.created_at, d.dead_letter_id) < ($8, $9::uuid))"
    "  order by d.created_at desc, d.dead_letter_id desc limit $10) page"
    " cross join lateral (select * from v_dead_letters v where v.dead_letter_id = page.dead_letter_id) v"
    " order by page.created_at desc, page.dead_letter_id desc"};

std::optional<page> list_dead_letters_json(session& s, tenant_key tenant, const dead_letter_filter& filter, int limit, const std::string& cursor)
{
    const auto after = parse_time_cursor(cursor);
    if (!after && !cursor.empty()) return std::nullopt;
    const columns c(filter);
    const place_columns place(after);
    return page_of(s.exec(list_dead_letters_statement, tenant.value, c.job_id(), c.error_code(), or_null(c.since), or_null(c.until), or_null(c.status),
                          or_null(c.ids), or_null(place.time), or_null(place.id), limit + 1), limit);
}

constexpr statement find_dead_letter_statement{"find_dead_letter",
    "select " ROWLOCK_DEAD_LETTER_JSON " from v_dead_letters v where v.dead_letter_id = $2"
    " and exists (select from dead_letters d where d.dead_letter_id = $2 and d.tenant_key = $1 and d.expires_at > clock())"};

std::optional<std::string> find_dead_letter_json(session& s, tenant_key tenant, execution_id id)
{
    const auto rows = s.exec(find_dead_letter_statement, tenant.value, id.str());
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

constexpr statement count_dead_letters_statement{"count_dead_letters",
    "select count(*) from dead_letters d where" ROWLOCK_DEAD_LETTER_FILTER
    " and ($8::timestamptz is null or (d.created_at, d.dead_letter_id) > ($8, $9::uuid))"};

std::int64_t count_dead_letters(session& s, tenant_key tenant, const dead_letter_filter& filter, const std::optional<time_place>& after)
{
    const columns c(filter);
    const place_columns place(after);
    return s.exec(count_dead_letters_statement, tenant.value, c.job_id(), c.error_code(), or_null(c.since), or_null(c.until), or_null(c.status),
                  or_null(c.ids), or_null(place.time), or_null(place.id))[0][0].as<std::int64_t>();
}

constexpr statement delete_dead_letter_statement{"delete_dead_letter",
    "delete from dead_letters d where d.dead_letter_id = $2 and d.tenant_key = $1 and d.expires_at > clock()"};

bool delete_dead_letter(session& s, tenant_key tenant, execution_id id)
{
    return s.exec(delete_dead_letter_statement, tenant.value, id.str()).affected_rows() > 0;
}

constexpr statement dead_letter_state_statement{"dead_letter_state", R"sql(
    select d.status, d.retried_by, m.next_execution_id from dead_letters d left join manual_retries m on m.execution_id = d.dead_letter_id
    where d.dead_letter_id = $2 and d.tenant_key = $1 and d.expires_at > clock())sql"};

std::optional<dead_letter_state> find_dead_letter_state(session& s, tenant_key tenant, execution_id id)
{
    const auto rows = s.exec(dead_letter_state_statement, tenant.value, id.str());
    if (rows.empty()) return std::nullopt;
    dead_letter_state state;
    state.status = parse_dead_letter_status(rows[0][0].c_str()).value();
    if (!rows[0][1].is_null()) state.retried_by = rows[0][1].c_str();
    if (!rows[0][2].is_null()) state.retried_as = id_of(rows[0][2]);
    return state;
}

constexpr statement retry_dead_letters_statement{"retry_dead_letters",
    "select created_at, dead_letter_id, next, refusal from retry_dead_letters_1($1, $2, $3, $4::timestamptz, $5::timestamptz, $6::uuid[], $7::timestamptz, $8::uuid,"
    " $9, $10, $11)"};

std::vector<retried_dead_letter> retry_dead_letters(session& s, tenant_key tenant, const dead_letter_filter& filter, const std::optional<time_place>& after,
                                                    int limit, const std::string& actor, std::chrono::milliseconds priority_age)
{
    const columns c(filter);
    const place_columns place(after);
    std::vector<retried_dead_letter> taken;
    for (const auto& row : s.exec(retry_dead_letters_statement, tenant.value, c.job_id(), c.error_code(), or_null(c.since), or_null(c.until), or_null(c.ids),
                                  or_null(place.time), or_null(place.id), limit, actor, as_age(priority_age))) {
        taken.push_back({{time_of(row[0]), id_of(row[1])}, retry_answer_of(row[2], row[3])});
    }
    return taken;
}

constexpr statement purge_dead_letters_statement{"purge_dead_letters",
    "with gone as (delete from dead_letters where dead_letter_id = any (array("
    "    select d.dead_letter_id from dead_letters d where" ROWLOCK_DEAD_LETTER_FILTER
    "    order by d.created_at, d.dead_letter_id limit $8 for update of d skip locked)) returning 1) select count(*) from gone"};

int purge_dead_letters(session& s, tenant_key tenant, const dead_letter_filter& filter, int limit)
{
    const columns c(filter);
    return s.exec(purge_dead_letters_statement, tenant.value, c.job_id(), c.error_code(), or_null(c.since), or_null(c.until), or_null(c.status), or_null(c.ids),
                  limit)[0][0].as<int>();
}

}
