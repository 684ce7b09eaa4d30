#include "api/execution_answer.hpp"
#include "api/failure_filters.hpp"
#include "api/read_answers.hpp"
#include "api/routes.hpp"
#include "api/submission_body.hpp"

#include <fmt/format.h>

namespace rowlock::api {

namespace {

error no_dead_letter(execution_id id)
{
    return not_found(fmt::format("There is no dead letter {}: its id is that of the last attempt of a run that has failed for good.", id.str()));
}

// What to retry, from a body like {"job_id", ..., "limit", "cursor"} or {"filter": {"job_id", ...}, "limit", "cursor"}.
struct retry_request {
    storage::dead_letter_filter filter{};
    int limit = most_in_a_request;
    std::optional<storage::time_place> after{};
};

retry_request read_retry(const boost::json::object& body, field_errors& errors)
{
    retry_request given;
    boost::json::object accepted;
    json_fields fields(body, "", errors, accepted);
    if (fields.has("filter")) {
        fields.object("filter", [&given](json_fields& inner) { given.filter = read_dead_letter_filter(inner); });
    } else {
        given.filter = read_dead_letter_filter(fields);
    }
    given.limit = static_cast<int>(fields.integer("limit", 1, most_in_a_request).value_or(most_in_a_request));
    if (const auto cursor = fields.text("cursor", {1, 128})) {
        given.after = storage::parse_time_cursor(*cursor);
        if (!given.after) fields.refuse(fields.find("cursor"), "is not what an earlier answer gave as next_cursor");
    }
    fields.refuse_rest();
    if (errors.empty() && given.filter.empty()) {
        errors.add("filter", nullptr, "must name what to retry: at least one of job_id, error_code, since, until, ids");
    }
    return given;
}

}

// GET /v1/dead-letters: 200, 422.
runtime::awaitable<response> list_dead_letters(request_context& rq)
{
    query_reader query(rq.rq.query());
    const auto filter = read_dead_letter_filter(query);
    const int limit = query.limit();
    const std::string cursor = query.cursor();
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, filter, limit, cursor](storage::session& s) -> found_page {
        return storage::list_dead_letters_json(s, tenant, filter, limit, cursor);
    });
    co_return show(rq, query, cursor, found);
}

// GET /v1/dead-letters/{id}: 200, 404, 422.
runtime::awaitable<response> get_dead_letter(request_context& rq)
{
    const auto id = rq.bare_id("id");
    if (!id) co_return rq.refuse(id.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, id = *id](storage::session& s) -> found_text {
        return storage::find_dead_letter_json(s, tenant, id);
    });
    co_return show(rq, found, no_dead_letter(*id));
}

// POST /v1/dead-letters/{id}/retry: 201 with the next attempt, 404, 409, 422.
runtime::awaitable<response> retry_dead_letter(request_context& rq)
{
    const auto id = rq.bare_id("id");
    if (!id) co_return rq.refuse(id.error());
    const auto next = co_await rq.app.instance.retry_dead_letter(rq.caller, *id);
    if (!next) co_return rq.refuse(next.error());
    co_return co_await answer_execution(rq, 201, *next);
}

// POST /v1/dead-letters/retry: 200, 400, 422. In batches, each a transaction of its own: what is interrupted has retried what it has, and the same
// request again goes on with the rest.
runtime::awaitable<response> retry_dead_letters(request_context& rq)
{
    query_reader query(rq.rq.query());
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto body = rq.body();
    if (!body) co_return rq.refuse(body.error());
    field_errors errors;
    auto given = read_retry(**body, errors);
    refuse_nul(**body, rq.rq.body(), errors);
    if (!errors.empty()) co_return rq.refuse(std::move(errors).take("The retry"));

    int retried = 0;
    int skipped = 0;
    auto at = given.after;
    bool through = false;
    while (!through && retried + skipped < given.limit && !rq.should_give_up()) {
        const int most = std::min(most_in_a_transaction, given.limit - retried - skipped);
        const auto taken = co_await rq.app.instance.retry_dead_letters(rq.caller, given.filter, at, most);
        if (!taken) co_return rq.refuse(taken.error());
        for (const auto& each : *taken) ++(each.answer.refusal == storage::retry_refusal::none ? retried : skipped);
        if (!taken->empty()) at = taken->back().place;
        through = static_cast<int>(taken->size()) < most;
    }
    // Those that cannot be retried stay open, but are not left to do.
    given.filter.status = storage::dead_letter_status::open;
    const auto tenant = rq.caller.tenant;
    const auto open = co_await rq.app.instance.db().read([tenant, given](storage::session& s) -> result<std::int64_t> {
        return storage::count_dead_letters(s, tenant, given.filter, given.after);
    });
    if (!open) co_return rq.refuse(open.error());
    auto answer = rq.reply(200);
    answer.body += fmt::format(R"({{"retried":{},"skipped":{},"remaining":{},"next_cursor":)", retried, skipped, std::max<std::int64_t>(*open - skipped, 0));
    if (through || !at) {
        answer.body += "null}";
    } else {
        append_string(answer.body, storage::to_cursor(*at));
        answer.body += '}';
    }
    co_return answer;
}

// DELETE /v1/dead-letters/{id}: 204, 404, 422.
runtime::awaitable<response> delete_dead_letter(request_context& rq)
{
    const auto id = rq.bare_id("id");
    if (!id) co_return rq.refuse(id.error());
    const auto tenant = rq.caller.tenant;
    const auto gone = co_await rq.app.instance.db().write([tenant, id = *id](storage::session& s) -> result<bool> { return storage::delete_dead_letter(s, tenant, id); });
    if (!gone) co_return rq.refuse(gone.error());
    if (!*gone) co_return rq.refuse(no_dead_letter(*id));
    co_return rq.reply(204);
}

// DELETE /v1/dead-letters: 200, 422. In batches, as the retry.
runtime::awaitable<response> purge_dead_letters(request_context& rq)
{
    query_reader query(rq.rq.query());
    const auto filter = read_dead_letter_filter(query);
    const int limit = purge_limit(query);
    refuse_to_purge_all(query, filter.empty());
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto tenant = rq.caller.tenant;
    co_return co_await purge(
        rq, limit, [tenant, filter](storage::session& s, int most) { return storage::purge_dead_letters(s, tenant, filter, most); },
        [tenant, filter](storage::session& s) { return storage::count_dead_letters(s, tenant, filter); });
}

}
