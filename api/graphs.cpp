#include "api/graph_answer.hpp"
#include "api/routes.hpp"
#include "runtime/graph/graph_document.hpp"
#include "runtime/graph/job_graph.hpp"
#include "runtime/graph/plan_graph.hpp"
#include "storage/job_store.hpp"
#include "storage/plan_run_store.hpp"
#include "storage/plan_store.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace rowlock::api {

namespace json = boost::json;

namespace {

constexpr int jobs_in_a_read = 1000;

// ---- of a stored plan

struct stored_graph {
    runtime::graph drawn;
    std::vector<std::string> problems;               // jobs that a run would be refused for
    std::vector<job_key> jobs;                       // of the nodes; 0: not known
};

result<plan_definition> definition_of(const storage::stored_plan& stored, const definition_defaults& defaults)
{
    const auto document = parse_json(stored.definition);
    if (!document || !document->is_object()) throw std::runtime_error("a stored plan is no JSON object");
    return parse_plan(document->get_object(), "", defaults);
}

std::string problem_of(const plan_node& node, const error& why)
{
    return fmt::format("{}: {}", node.node_id, why.detail);
}

// Draws a plan that is stored. What it names is looked up, since it may be gates, or may be gone.
runtime::awaitable<result<stored_graph>> draw(request_context& rq, plan_definition plan)
{
    auto& catalog = rq.app.instance.jobs();
    std::map<std::pair<std::string, int>, result<job_version_ptr>> known;
    stored_graph made;
    for (auto& node : plan.nodes) {
        const std::pair name{plan.job_id_of(node), node.job_version.value_or(0)};
        auto at = known.find(name);
        if (at == known.end()) {
            auto found = co_await catalog.find(rq.caller.tenant, name.first, name.second);
            if (!found && found.error().code != errc::job_not_found && found.error().code != errc::job_version_not_found) co_return found.error();
            at = known.emplace(name, std::move(found)).first;
        }
        const auto& job = at->second;
        made.jobs.push_back(job ? (*job)->job : job_key{});
        // The job of an inline node is stored with the first run.
        if (node.inline_job) continue;
        if (!job) made.problems.push_back(problem_of(node, job.error()));
        else if (!(*job)->enabled) made.problems.push_back(fmt::format("{}: The job {} is disabled.", node.node_id, name.first));
        else node.gate = node.gate || (*job)->definition.is_validator;
    }
    made.drawn = runtime::graph_of_definition(plan);
    co_return made;
}

// Empty where history does not know all of them: then hops count.
runtime::awaitable<std::vector<double>> expected_seconds(request_context& rq, std::vector<job_key> jobs)
{
    const auto known = co_await rq.app.instance.db().read([jobs = std::move(jobs)](storage::session& s) -> result<std::vector<double>> {
        return storage::expected_seconds(s, jobs);
    });
    if (!known || std::any_of(known->begin(), known->end(), [](double seconds) { return seconds < 0; })) co_return std::vector<double>{};
    co_return *known;
}

// ---- of all jobs

// The current definitions of all jobs of a tenant.
result<runtime::job_graph> read_graph(storage::session& s, tenant_key tenant)
{
    std::vector<json::object> all;
    std::string cursor;
    do {
        const auto page = storage::list_jobs_json(s, tenant, jobs_in_a_read, cursor);
        for (const auto& item : page.items) {
            auto parsed = parse_json(item);
            if (!parsed || !parsed->is_object()) throw std::runtime_error("a stored definition is no JSON object");
            all.push_back(std::move(parsed->get_object()));
        }
        cursor = page.next;
    } while (!cursor.empty());
    return runtime::graph_of_jobs(all);
}

}

// GET /v1/plans/{plan_id}/graph: 200, 404, 422. ?format=json (the default), dot or mermaid; ?version=: another than the current one.
runtime::awaitable<response> get_plan_graph(request_context& rq)
{
    query_reader query(rq.rq.query());
    const auto format = read_graph_format(query).value_or(graph_format::json);
    const int version = static_cast<int>(query.integer("version", 1, std::numeric_limits<std::int32_t>::max()).value_or(0));
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto plan_id = rq.slug_of("plan_id");
    if (!plan_id) co_return rq.refuse(plan_id.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, plan_id = *plan_id, version](storage::session& s) -> result<std::optional<storage::stored_plan>> {
        return storage::find_plan(s, tenant, plan_id, version);
    });
    if (!found) co_return rq.refuse(found.error());
    if (!*found) co_return rq.refuse(not_found(version == 0 ? fmt::format("There is no plan {}.", *plan_id) : fmt::format("There is no version {} of a plan {}.", version, *plan_id)));
    auto plan = definition_of(**found, rq.app.instance.jobs().defaults());
    if (!plan) co_return rq.refuse(plan.error());
    auto drawn = co_await draw(rq, std::move(*plan));
    if (!drawn) co_return rq.refuse(drawn.error());
    if (format != graph_format::json) co_return show_drawing(rq, format, drawn->drawn, *plan_id);
    const auto seconds = co_await expected_seconds(rq, std::move(drawn->jobs));
    co_return show_graph(rq, runtime::graph_document(drawn->drawn, seconds, drawn->problems));
}

// GET /v1/plan-runs/{id}/graph: 200, 404, 422. ?format=json (the default), dot or mermaid.
runtime::awaitable<response> get_plan_run_graph(request_context& rq)
{
    query_reader query(rq.rq.query());
    const auto format = read_graph_format(query).value_or(graph_format::json);
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto id = rq.id_of("id");
    if (!id) co_return rq.refuse(id.error());
    const auto drawn = co_await rq.app.instance.plans().drawing(rq.caller, id->value);
    if (!drawn) co_return rq.refuse(drawn.error());
    if (format != graph_format::json) co_return show_drawing(rq, format, *drawn, id->str());
    // The critical path is that of the run, which knows how long its jobs take.
    const auto run = co_await rq.app.instance.plans().show(rq.caller, id->value);
    if (!run) co_return rq.refuse(run.error());
    auto document = runtime::graph_document(*drawn);
    for (const std::string_view member : {"critical_path", "critical_path_seconds"}) document[member] = run->at(member);
    co_return show_graph(rq, document);
}

// GET /v1/graph: 200, 422. ?format=json (the default), dot or mermaid.
runtime::awaitable<response> get_graph(request_context& rq)
{
    query_reader query(rq.rq.query());
    const auto format = read_graph_format(query).value_or(graph_format::json);
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant](storage::session& s) { return read_graph(s, tenant); });
    if (!found) co_return rq.refuse(found.error());
    if (format != graph_format::json) co_return show_drawing(rq, format, found->drawn, "jobs");
    co_return show_graph(rq, runtime::graph_document(found->drawn, {}, found->problems));
}

}
