#include "api/read_answers.hpp"
#include "api/routes.hpp"
#include "storage/execution_store.hpp"
#include "storage/record_store.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace rowlock::api {

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds default_wait = 30s;
constexpr std::chrono::milliseconds longest_wait = 300s;
constexpr std::size_t most_statuses = 32;
constexpr std::size_t most_tags = 64;

error no_execution(execution_id id)
{
    return not_found(fmt::format("There is no execution {}.", id.str()));
}

using found_list = result<std::optional<std::vector<std::string>>>;

response show(request_context& rq, found_list found, page_window window, const error& missing)
{
    if (!found) return rq.refuse(found.error());
    if (!*found) return rq.refuse(missing);
    auto answer = rq.reply(200);
    append_page(answer.body, **found, window);
    return answer;
}

// What an execution or a run has of one kind, oldest first; null where there is no such execution or run.
using list_reader = std::optional<std::vector<std::string>> (*)(storage::session&, tenant_key, execution_id);

error no_run(execution_id id)
{
    return not_found(fmt::format("There is no run {}.", id.str()));
}

runtime::awaitable<response> list_of(request_context& rq, std::string_view name, list_reader list, error (*missing)(execution_id))
{
    query_reader query(rq.rq.query());
    const auto window = query.window();
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto id = rq.id_of(name);
    if (!id) co_return rq.refuse(id.error());
    const auto tenant = rq.caller.tenant;
    auto found = co_await rq.app.instance.db().read([tenant, id = *id, list](storage::session& s) -> found_list { return list(s, tenant, id); });
    co_return show(rq, std::move(found), window, missing(*id));
}

void read_tags(query_reader& query, storage::execution_filter& filter)
{
    for (const auto& tag : query.texts("tag", most_tags)) {
        const auto colon = tag.find(':');
        if (colon == std::string::npos || colon == 0) {
            query.refuse("tag", tag, "must be a key, a colon and a value");
        } else {
            filter.tags.emplace_back(tag.substr(0, colon), tag.substr(colon + 1));
        }
    }
}

storage::execution_filter read_filter(query_reader& query)
{
    storage::execution_filter filter;
    if (const auto job = query.text("job_id")) {
        filter.job_id = *job;
        if (!is_slug(*job)) query.refuse("job_id", *job, "is not the id of a job");
    }
    for (const auto& name : query.texts("status", most_statuses)) {
        if (const auto status = parse_execution_status(name)) {
            filter.statuses.push_back(*status);
        } else {
            query.refuse("status", name, "must be PENDING, QUEUED, RUNNING, COMPLETING, COMPLETED, FAILED, TIMEOUT, CANCELLED or SKIPPED");
        }
    }
    if (const auto run = query.text("run_id")) {
        filter.run_id = execution_id::parse(*run);
        if (!filter.run_id) query.refuse("run_id", *run, "must be a UUID");
    }
    filter.correlation_id = query.text("correlation_id").value_or("");
    if (const auto trigger = query.text("trigger_type")) {
        filter.trigger = parse_trigger_type(*trigger);
        if (!filter.trigger) query.refuse("trigger_type", *trigger, "must be SCHEDULED, MANUAL, DEPENDENCY, EVENT, RETRY or REPLAY");
    }
    filter.since = query.time("since");
    filter.until = query.time("until");
    read_tags(query, filter);
    return filter;
}

}

// GET /v1/executions: 200, 422.
runtime::awaitable<response> list_executions(request_context& rq)
{
    query_reader query(rq.rq.query());
    const auto filter = read_filter(query);
    const int limit = query.limit();
    const std::string cursor = query.cursor();
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto tenant = rq.caller.tenant;
    auto found = co_await rq.app.instance.db().read([tenant, filter, limit, cursor](storage::session& s) -> found_page {
        return storage::list_executions_json(s, tenant, filter, limit, cursor);
    });
    co_return show(rq, query, cursor, found);
}

// GET /v1/executions/{id}: 200, 404.
runtime::awaitable<response> get_execution(request_context& rq)
{
    const auto id = rq.bare_id("id");
    if (!id) co_return rq.refuse(id.error());
    const auto tenant = rq.caller.tenant;
    auto found = co_await rq.app.instance.db().read([tenant, id = *id](storage::session& s) -> found_text { return storage::find_execution_json(s, tenant, id); });
    co_return show(rq, found, no_execution(*id));
}

// GET /v1/executions/{id}/wait: 200, 404, 422. The run's last attempt, once the run has ended or the time is up.
runtime::awaitable<response> wait_for_execution(request_context& rq)
{
    query_reader query(rq.rq.query());
    const auto wait = query.seconds("timeout_seconds", longest_wait).value_or(default_wait);
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto until = runtime::steady_clock::now() + wait;
    const auto id = rq.id_of("id");
    if (!id) co_return rq.refuse(id.error());
    const auto tenant = rq.caller.tenant;
    const auto read = [tenant, id = *id](storage::session& s) -> found_text { return storage::last_attempt_json(s, tenant, id); };
    // Whose execution it is comes before any waiting.
    auto found = co_await rq.app.instance.db().read(read);
    if (found && *found && wait.count() > 0) {
        if (const auto waited = co_await rq.wait_for_run(*id, until); !waited) co_return rq.refuse(waited.error());
        found = co_await rq.app.instance.db().read(read);
    }
    co_return show(rq, found, no_execution(*id));
}

// GET /v1/executions/{id}/transitions: 200, 404, 422.
runtime::awaitable<response> list_transitions(request_context& rq)
{
    co_return co_await list_of(rq, "id", &storage::list_transitions_json, &no_execution);
}

// GET /v1/executions/{id}/checkpoints: 200, 404, 422.
runtime::awaitable<response> list_checkpoints(request_context& rq)
{
    co_return co_await list_of(rq, "id", &storage::list_checkpoints_json, &no_execution);
}

// GET /v1/executions/{id}/checkpoints/{n}: 200 with the bytes, 404.
runtime::awaitable<response> get_checkpoint(request_context& rq)
{
    const auto id = rq.bare_id("id");
    if (!id) co_return rq.refuse(id.error());
    const auto text = rq.path["n"];
    int number = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
    const error missing = not_found(fmt::format("The execution {} has no checkpoint {}.", id->str(), text));
    if (ec != std::errc() || end != text.data() + text.size() || number < 0) co_return rq.refuse(missing);
    const auto tenant = rq.caller.tenant;
    auto found = co_await rq.app.instance.db().read([tenant, id = *id, number](storage::session& s) -> found_text { return storage::read_checkpoint(s, tenant, id, number); });
    auto answer = show(rq, found, missing);
    if (answer.status == 200) {
        answer.content_type = "application/octet-stream";
        answer.add_header("X-Content-Type-Options", "nosniff");
    }
    co_return answer;
}

// GET /v1/executions/{id}/artifacts: 200, 404, 422.
runtime::awaitable<response> list_artifacts(request_context& rq)
{
    co_return co_await list_of(rq, "id", &storage::list_artifacts_json, &no_execution);
}

// GET /v1/runs/{run_id}/artifacts: 200, 404, 422.
runtime::awaitable<response> list_run_artifacts(request_context& rq)
{
    co_return co_await list_of(rq, "run_id", &storage::list_run_artifacts_json, &no_run);
}

// GET /v1/runs/{run_id}: 200, 404.
runtime::awaitable<response> get_run(request_context& rq)
{
    const auto id = rq.bare_id("run_id");
    if (!id) co_return rq.refuse(id.error());
    const auto tenant = rq.caller.tenant;
    auto found = co_await rq.app.instance.db().read([tenant, id = *id](storage::session& s) -> found_text { return storage::find_run_json(s, tenant, id); });
    co_return show(rq, found, no_run(*id));
}

}
