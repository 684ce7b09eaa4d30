#include "api/graph_answer.hpp"
#include "api/idempotency_key.hpp"
#include "api/plan_run_body.hpp"
#include "api/read_answers.hpp"
#include "api/routes.hpp"
#include "api/submission_body.hpp"
#include "runtime/plan/plan_runs.hpp"
#include "storage/plan_run_store.hpp"

#include <array>
#include <boost/json/array.hpp>
#include <fmt/format.h>

namespace rowlock::api {

namespace json = boost::json;

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds default_wait = 30s;
constexpr std::chrono::milliseconds longest_wait = 300s;
constexpr std::array<std::string_view, 4> run_statuses{"RUNNING", "COMPLETED", "FAILED", "CANCELLED"};

using found_run = result<json::object>;

void add_location(response& answer, const uuid& id)
{
    answer.add_header("Location", "/v1/plan-runs/" + id.str());
}

response show_run(request_context& rq, int status, const json::object& run)
{
    auto answer = rq.reply(status);
    append_text(answer.body, run);
    return answer;
}

// The run as it is now; where only its commit is known for sure, that alone is said.
runtime::awaitable<response> answer_made(request_context& rq, int status, storage::plan_run_made made)
{
    auto shown = co_await rq.app.instance.plans().show(rq.caller, made.id);
    auto answer = rq.reply(status);
    add_location(answer, made.id);
    if (shown) {
        (*shown)["replayed"] = made.replayed;
        append_text(answer.body, *shown);
    } else {
        fmt::format_to(std::back_inserter(answer.body), R"({{"plan_run_id":"{}","replayed":{}}})", made.id.str(), made.replayed);
    }
    co_return answer;
}

// {"plan_run_id", "status", "plan_id", "replayed"}: a run of a million nodes is not shown to whom wants to know that it was taken.
runtime::awaitable<response> answer_taken(request_context& rq, storage::plan_run_made made, std::string plan_id)
{
    const auto status = co_await rq.app.instance.db().read([id = made.id](storage::session& s) -> result<std::optional<std::string>> {
        return storage::plan_run_status(s, id);
    });
    auto answer = rq.reply(made.replayed ? 200 : 201);
    add_location(answer, made.id);
    // Where it cannot be read now, it was taken all the same, and what was taken runs.
    fmt::format_to(std::back_inserter(answer.body), R"({{"plan_run_id":"{}","status":"{}","plan_id":)", made.id.str(), status && *status ? **status : std::string("RUNNING"));
    if (plan_id.empty()) answer.body.append("null");
    else append_string(answer.body, plan_id);
    answer.body.append(made.replayed ? ",\"replayed\":true}" : ",\"replayed\":false}");
    co_return answer;
}

runtime::awaitable<std::optional<uuid>> replay_of(request_context& rq, std::string key, std::string key_request)
{
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, key, key_request](storage::session& s) -> result<std::optional<uuid>> {
        return storage::find_plan_replay(s, tenant, key, key_request);
    });
    co_return found ? *found : std::nullopt;
}

// What has to be equal for a replay of a rerun.
std::string key_request_of_rerun(const uuid& of, const std::string& from)
{
    json::object asked{{"rerun_of", of.str()}};
    if (!from.empty()) asked["from"] = from;
    return to_text(asked);
}

// The body of an action on a run. `read` asks for its members, and adds what is wrong beside them.
template <class Read>
result<void> read_action(request_context& rq, bool optional, std::string_view subject, Read read)
{
    const auto body = rq.body(optional);
    if (!body) return body.error();
    field_errors errors;
    json::object accepted;
    json_fields fields(**body, "", errors, accepted);
    read(fields, errors);
    fields.refuse_rest();
    refuse_nul(**body, rq.rq.body(), errors);
    if (errors.empty()) return {};
    return std::move(errors).take(subject);
}

storage::plan_run_filter read_filter(query_reader& query)
{
    storage::plan_run_filter filter;
    if (const auto plan = query.text("plan_id")) {
        filter.plan_id = *plan;
        if (!is_slug(*plan)) query.refuse("plan_id", *plan, "is not the id of a plan");
    }
    if (const auto status = query.text("status")) {
        filter.status = *status;
        if (std::find(run_statuses.begin(), run_statuses.end(), *status) == run_statuses.end()) query.refuse("status", *status, "must be RUNNING, COMPLETED, FAILED or CANCELLED");
    }
    filter.correlation_id = query.text("correlation_id").value_or("");
    return filter;
}

}

// POST /v1/plan-runs: 201, 200 for a repeated key; ?wait_seconds= holds the answer, which is then the whole run. A dry run: 200 with the graph, or with
// its drawing (?format=). 400, 404, 409, 422, 503.
runtime::awaitable<response> start_plan_run(request_context& rq)
{
    query_reader query(rq.rq.query());
    const auto wait = query.seconds("wait_seconds", longest_wait);
    const auto format = read_graph_format(query);
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto body = co_await rq.large_body();
    if (!body) co_return rq.refuse(body.error());
    auto given = co_await rq.app.instance.db().compute(rq.has_large_body(), [&rq, &body = **body] { return read_plan_run(rq, body); });
    if (!given) co_return rq.refuse(given.error());
    if (format && !given->dry_run) {
        query.refuse("format", rq.rq.query(), "is that of a dry run's answer, and this is none");
        co_return rq.refuse(query.finish().error());
    }
    std::string plan_id = given->request.plan_id;
    if (given->dry_run && format && *format != graph_format::json) {
        const auto drawn = co_await rq.app.instance.plans().drawing_of(rq.caller, std::move(given->request));
        if (!drawn) co_return rq.refuse(drawn.error());
        co_return show_drawing(rq, *format, *drawn, plan_id.empty() ? "plan" : plan_id);
    }
    if (given->dry_run) {
        const auto graph = co_await rq.app.instance.plans().preview(rq.caller, std::move(given->request));
        if (!graph) co_return rq.refuse(graph.error());
        co_return show_graph(rq, *graph);
    }
    const auto until = runtime::steady_clock::now() + wait.value_or(0ms);
    const std::string key = given->request.idempotency_key;
    const std::string key_request = given->request.key_request;
    auto made = co_await rq.app.instance.plans().start(rq.caller, std::move(given->request));
    if (!made && !key.empty()) {
        // What was answered before a job was disabled, or deleted, is answered again.
        const auto before = co_await replay_of(rq, key, key_request);
        if (before) made = storage::plan_run_made{*before, true};
    }
    if (!made) co_return rq.refuse(made.error());
    if (!wait) co_return co_await answer_taken(rq, *made, std::move(plan_id));
    // What was committed stays committed: where waiting is refused, the answer tells of the run as it is.
    if (wait->count() > 0) static_cast<void>(co_await rq.wait_for_plan_run(made->id, until));
    co_return co_await answer_made(rq, made->replayed ? 200 : 201, *made);
}

// GET /v1/plan-runs: 200, 422. Newest first, without their nodes.
runtime::awaitable<response> list_plan_runs(request_context& rq)
{
    query_reader query(rq.rq.query());
    const auto filter = read_filter(query);
    const int limit = query.limit();
    const std::string cursor = query.cursor();
    if (!cursor.empty() && !uuid::parse(cursor)) query.refuse("cursor", cursor, "is not a cursor of this list");
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, filter, limit, cursor](storage::session& s) -> result<storage::page> {
        return storage::list_plan_runs_json(s, tenant, filter, limit, cursor);
    });
    co_return show(rq, found);
}

// GET /v1/plan-runs/{id}: 200, 404, 422.
runtime::awaitable<response> get_plan_run(request_context& rq)
{
    const auto id = rq.bare_id("id");
    if (!id) co_return rq.refuse(id.error());
    const auto run = co_await rq.app.instance.plans().show(rq.caller, id->value);
    if (!run) co_return rq.refuse(run.error());
    co_return show_run(rq, 200, *run);
}

// GET /v1/plan-runs/{id}/wait: 200, 404, 422. The run, once it has ended or the time is up.
runtime::awaitable<response> wait_for_plan_run(request_context& rq)
{
    query_reader query(rq.rq.query());
    const auto wait = query.seconds("timeout_seconds", longest_wait).value_or(default_wait);
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto until = runtime::steady_clock::now() + wait;
    const auto id = rq.id_of("id");
    if (!id) co_return rq.refuse(id.error());
    // Whose run it is comes before any waiting.
    const auto tenant = rq.caller.tenant;
    const auto known = co_await rq.app.instance.db().read([tenant, id = id->value](storage::session& s) -> result<bool> {
        return storage::find_plan_run(s, tenant, id).has_value();
    });
    if (!known) co_return rq.refuse(known.error());
    if (*known && wait.count() > 0) {
        if (const auto waited = co_await rq.wait_for_plan_run(id->value, until); !waited) co_return rq.refuse(waited.error());
    }
    const auto run = co_await rq.app.instance.plans().show(rq.caller, id->value);
    if (!run) co_return rq.refuse(run.error());
    co_return show_run(rq, 200, *run);
}

// POST /v1/plan-runs/{id}/cancel: 202 with the run, 400, 404, 409, 422.
runtime::awaitable<response> cancel_plan_run(request_context& rq)
{
    const auto id = rq.bare_id("id");
    if (!id) co_return rq.refuse(id.error());
    std::string reason;
    const auto read = read_action(rq, true, "The cancellation", [&reason](json_fields& fields, field_errors&) { reason = fields.text("reason", {0, 1000}).value_or(""); });
    if (!read) co_return rq.refuse(read.error());
    const auto cancelled = co_await rq.app.instance.plans().cancel(rq.caller, id->value, std::move(reason));
    if (!cancelled) co_return rq.refuse(cancelled.error());
    const auto run = co_await rq.app.instance.plans().show(rq.caller, id->value);
    if (!run) co_return rq.refuse(run.error());
    co_return show_run(rq, 202, *run);
}

// POST /v1/plan-runs/{id}/rerun: 201 with the new run, 200 for a repeated key, 400, 404, 409, 422.
runtime::awaitable<response> rerun_plan_run(request_context& rq)
{
    const auto id = rq.bare_id("id");
    if (!id) co_return rq.refuse(id.error());
    runtime::plan_rerun_request request{.of = id->value};
    const auto read = read_action(rq, true, "The rerun", [&rq, &request](json_fields& fields, field_errors& errors) {
        request.from = fields.slug("from").value_or("");
        request.idempotency_key = header_key(rq.rq, errors);
    });
    if (!read) co_return rq.refuse(read.error());
    request.trace_parent = rq.trace_parent;
    const std::string key = request.idempotency_key;
    const std::string key_request = key.empty() ? std::string() : key_request_of_rerun(request.of, request.from);
    request.key_request = key_request;
    auto made = co_await rq.app.instance.plans().rerun(rq.caller, std::move(request));
    if (!made && !key.empty()) {
        const auto before = co_await replay_of(rq, key, key_request);
        if (before) made = storage::plan_run_made{*before, true};
    }
    if (!made) co_return rq.refuse(made.error());
    co_return co_await answer_made(rq, made->replayed ? 200 : 201, *made);
}

// POST /v1/plan-runs/{id}/nodes: 201 with the ids of the nodes that were added, 400, 404, 409, 422.
runtime::awaitable<response> add_plan_nodes(request_context& rq)
{
    const auto id = rq.bare_id("id");
    if (!id) co_return rq.refuse(id.error());
    json::array nodes;
    const auto read = read_action(rq, false, "The addition", [&nodes](json_fields& fields, field_errors&) {
        const auto given = fields.find("nodes");
        const auto* list = given ? given.value->if_array() : nullptr;
        if (!given) fields.require("nodes");
        else if (!list || list->empty()) fields.refuse(given, "must be an array of at least one node");
        else nodes = json::array(*list, json::storage_ptr());
    });
    if (!read) co_return rq.refuse(read.error());
    const auto added = co_await rq.app.instance.plans().add_nodes(rq.caller, id->value, std::move(nodes));
    if (!added) co_return rq.refuse(added.error());
    auto answer = rq.reply(201);
    fmt::format_to(std::back_inserter(answer.body), R"({{"plan_run_id":"{}","added":)", id->str());
    char before = '[';
    for (const auto& node : *added) {
        answer.body.push_back(std::exchange(before, ','));
        append_string(answer.body, node);
    }
    answer.body.append("]}");
    co_return answer;
}

}
