#include "runtime/plan/plan_runs.hpp"

#include "runtime/graph/graph_document.hpp"
#include "runtime/plan/plan_checks.hpp"
#include "runtime/plan/plan_columns.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <fmt/format.h>
#include <unordered_map>

namespace rowlock::runtime {

namespace json = boost::json;

namespace {

// To read longer text takes milliseconds.
constexpr std::size_t large_text = 256 * 1024;

error no_plan(const std::string& plan_id, int version)
{
    const auto what = version > 0 ? fmt::format("There is no version {} of a plan {}.", version, plan_id) : fmt::format("There is no plan {}.", plan_id);
    return {errc::invalid_request, what, {{"plan_id", fmt::format("\"{}\"", plan_id), "names no plan"}}};
}

error no_run(const uuid& id)
{
    return {errc::not_found, fmt::format("There is no plan run {}.", id.str())};
}

json::object object_of(const std::string& text)
{
    if (text.empty()) return {};
    auto parsed = parse_json(text);
    return parsed && parsed->is_object() ? std::move(parsed->as_object()) : json::object{};
}

json::object over(json::object below_, const json::object& above)
{
    for (const auto& [name, value] : above) below_[name] = value;
    return below_;
}

// So many items of a list are expected to run at a time: as many as the job's own limit and an instance allow.
std::size_t at_once(std::optional<int> job_limit, int parallelism)
{
    return static_cast<std::size_t>(std::max(std::min(job_limit.value_or(parallelism), parallelism), 1));
}

// Fields of a plan that begins with nodes which nobody gave, as those of what was given.
error added_fields(error e, std::size_t base)
{
    for (auto& field : e.fields) {
        std::size_t number = 0;
        const std::string_view begin = "nodes[";
        if (!field.field.starts_with(begin)) continue;
        const auto* first = field.field.data() + begin.size();
        const auto [end, ec] = std::from_chars(first, field.field.data() + field.field.size(), number);
        if (ec == std::errc() && number >= base) field.field = fmt::format("nodes[{}{}", number - base, field.field.substr(static_cast<std::size_t>(end - field.field.data())));
    }
    return e;
}

}

// A plan with all that a run of it needs.
struct plan_runs::prepared {
    std::int32_t plan_key = 0;
    int plan_version = 0;
    std::string prefix{};                            // of the fields of errors
    plan_definition plan{};
    json::object parameters{};
    compiled_plan compiled{};
    std::vector<job_version_ptr> jobs{};             // by index of the node; nullptr: an inline job that has not been stored
};

awaitable<result<void>> plan_runs::store_inline_jobs(principal who, prepared& p)
{
    if (p.plan.inline_jobs.empty()) co_return result<void>{};
    std::vector<job_version_ptr> stored;
    std::vector<storage::job_change> fresh;
    for (const auto& job : p.plan.inline_jobs) {
        if (!jobs_.cached(who.tenant, job->job_id)) fresh.push_back({*job, std::nullopt, "a node of a plan"});
    }
    if (!fresh.empty()) {
        const auto put = co_await jobs_.put_all(who, std::move(fresh), false);
        if (!put) co_return put.error();
    }
    for (const auto& job : p.plan.inline_jobs) {
        auto found = co_await jobs_.find(who.tenant, job->job_id);
        if (!found) co_return found.error();
        stored.push_back(std::move(*found));
    }
    for (std::size_t i = 0; i < p.plan.nodes.size(); ++i) {
        if (const auto number = p.plan.nodes[i].inline_job) p.jobs[i] = stored[*number];
    }
    co_return result<void>{};
}

awaitable<result<plan_runs::prepared>> plan_runs::prepare(principal who, plan_run_request& request)
{
    prepared p;
    result<plan_definition> plan = plan_definition();
    const bool inlined = request.plan.has_value();
    if (inlined) {
        p.prefix = "plan";
        const bool large = is_large(*request.plan);
        plan = co_await db_.compute(large, [body = *std::exchange(request.plan, std::nullopt), &defaults = jobs_.defaults()] { return parse_plan(body, {}, defaults); });
    } else {
        struct found_plan {
            std::int32_t key;
            int version;
            plan_definition plan;
        };
        auto found = co_await db_.read([tenant = who.tenant, id = request.plan_id, version = request.plan_version, &defaults = jobs_.defaults()](storage::session& s)
                                           -> result<found_plan> {
            const auto stored = storage::find_plan(s, tenant, id, version);
            if (!stored) return no_plan(id, version);
            auto parsed = parse_plan(object_of(stored->definition), {}, defaults);
            if (!parsed) return std::move(parsed).error();
            return found_plan{stored->key, stored->version, std::move(*parsed)};
        });
        if (!found) co_return std::move(found).error();
        p.plan_key = found->key;
        p.plan_version = found->version;
        plan = std::move(found->plan);
    }
    if (!plan) co_return below(p.prefix, plan.error());
    p.plan = std::move(*plan);
    auto jobs = co_await find_jobs(jobs_, who.tenant, p.plan);
    if (!jobs) co_return below(p.prefix, jobs.error());
    p.jobs = std::move(*jobs);
    if (!p.plan.paths.empty() && inlined) {
        const auto good = co_await db_.read([&paths = p.plan.paths](storage::session& s) { return check_paths(s, paths); });
        if (!good) co_return below(p.prefix, good.error());
    }
    p.parameters = over(p.plan.parameters, request.parameters);
    auto compiled = co_await db_.compute(is_large(p.plan.document), [&p] { return compile(p.plan, p.parameters); });
    if (!compiled) co_return below(p.prefix, compiled.error());
    p.compiled = std::move(*compiled);
    co_return p;
}

awaitable<std::vector<double>> plan_runs::expected(const prepared& p)
{
    std::vector<job_key> jobs;
    for (const auto& node : p.compiled.nodes) jobs.push_back(p.jobs[node.index] ? p.jobs[node.index]->job : job_key{});
    co_return co_await expected_seconds(std::move(jobs));
}

awaitable<std::vector<double>> plan_runs::expected_seconds(std::vector<job_key> jobs)
{
    const auto known = co_await db_.read([jobs = std::move(jobs)](storage::session& s) -> result<std::vector<double>> { return storage::expected_seconds(s, jobs); });
    // Where history does not know all of them, hops count.
    if (!known || std::any_of(known->begin(), known->end(), [](double s) { return s < 0; })) co_return std::vector<double>{};
    co_return *known;
}

graph plan_runs::graph_with_widths(const prepared& p) const
{
    auto g = graph_of(p.plan, p.compiled);
    for (std::size_t number = 0; number < g.nodes.size(); ++number) {
        if (!g.nodes[number].for_each) continue;
        const auto index = p.compiled.nodes[number].index;
        const auto inline_job = p.plan.nodes[index].inline_job;
        const auto& definition = p.jobs[index] ? p.jobs[index]->definition : *p.plan.inline_jobs[*inline_job];
        g.nodes[number].items_at_once = at_once(definition.limits.max_running, options_.parallelism);
        // A list among the parameters of the run is known as well.
        const auto list = parse_json(p.compiled.nodes[number].for_each);
        if (!list || !list->is_object()) continue;
        if (const auto* items = list->get_object().if_contains("list"); items && items->is_array()) g.nodes[number].items = items->get_array().size();
    }
    return g;
}

awaitable<result<json::object>> plan_runs::preview(principal who, plan_run_request request)
{
    const auto p = co_await prepare(std::move(who), request);
    if (!p) co_return p.error();
    const auto seconds = co_await expected(*p);
    co_return graph_document(graph_with_widths(*p), seconds);
}

awaitable<result<graph>> plan_runs::drawing_of(principal who, plan_run_request request)
{
    const auto p = co_await prepare(std::move(who), request);
    if (!p) co_return p.error();
    co_return graph_of(p->plan, p->compiled);
}

awaitable<result<storage::plan_run_made>> plan_runs::store(principal who, prepared p, plan_run_request request, kept_nodes kept)
{
    if (const auto stored = co_await store_inline_jobs(who, p); !stored) co_return stored.error();
    storage::new_plan_run run;
    run.id = self_.next_block().id(0).value;
    run.tenant = who.tenant;
    run.plan = p.plan_key;
    run.plan_version = p.plan_version;
    run.rerun_of = kept.rerun_of;
    run.parent = request.parent;
    run.fail_fast = p.plan.fail_fast;
    run.correlation_id = std::move(request.correlation_id);
    run.trace_parent = std::move(request.trace_parent);
    json::object tags;
    for (const auto& [name, value] : p.plan.tags) tags[name] = value;
    tags = over(std::move(tags), request.tags);
    if (!tags.empty()) run.tags = json::serialize(tags);
    if (who.name != "local") run.submitter = who.name;
    run.contract_ref = request.contract_ref.empty() ? p.plan.contract_ref : std::move(request.contract_ref);
    run.approval_ref = request.approval_ref.empty() ? p.plan.approval_ref : std::move(request.approval_ref);
    run.key = std::move(request.idempotency_key);
    run.key_request = std::move(request.key_request);

    // What takes time in proportion to the plan is done where it does not hold the core up.
    auto whole = std::make_shared<const prepared>(std::move(p));
    auto made = co_await db_.write([run = std::move(run), whole = std::move(whole), kept = std::move(kept.of), tags = std::move(tags), o = options_](storage::session& s) mutable {
        run.definition = json::serialize(whole->plan.document);
        run.parameters = json::serialize(whole->parameters);
        storage::plan_node_columns columns;
        fill(columns, whole->plan, whole->compiled, whole->jobs, tags);
        for (const auto& node : kept) {
            if (node) columns.kept_run.add(execution_id{node->first});
            else columns.kept_run.add_null();
            columns.kept_no.add(node ? std::optional<std::int32_t>(node->second) : std::nullopt);
        }
        return storage::create_plan_run(s, run, o.priority_age, o.key_ttl, columns);
    });
    if (made && !made->replayed) tell_.advanced();
    co_return made;
}

awaitable<result<storage::plan_run_made>> plan_runs::start(principal who, plan_run_request request)
{
    auto p = co_await prepare(who, request);
    if (!p) co_return std::move(p).error();
    co_return co_await store(std::move(who), std::move(*p), std::move(request), {});
}

awaitable<result<plan_runs::run_and_nodes>> plan_runs::read_run(tenant_key tenant, uuid id)
{
    co_return co_await db_.read([tenant, id](storage::session& s) -> result<run_and_nodes> {
        auto run = storage::find_plan_run(s, tenant, id);
        if (!run) return no_run(id);
        return run_and_nodes{std::move(*run), storage::plan_run_nodes(s, id)};
    });
}

awaitable<result<storage::plan_run_made>> plan_runs::rerun(principal who, plan_rerun_request asked)
{
    const uuid id = asked.of;
    const std::string& from = asked.from;
    auto read = co_await read_run(who.tenant, id);
    if (!read) co_return read.error();
    auto& [before, nodes] = *read;
    if (before.status == "RUNNING") co_return error{errc::not_retryable, fmt::format("The plan run {} has not ended; cancel it, or wait for its end.", id.str())};

    plan_run_request request;
    auto definition = co_await db_.compute(before.definition.size() > large_text, [&text = before.definition]() -> result<json::object> { return object_of(text); });
    if (!definition) co_return std::move(definition).error();
    request.plan = std::move(*definition);
    request.parameters = object_of(before.parameters);
    request.correlation_id = before.correlation_id;
    request.tags = object_of(before.tags);
    request.contract_ref = before.contract_ref;
    request.approval_ref = before.approval_ref;
    request.idempotency_key = std::move(asked.idempotency_key);
    request.key_request = std::move(asked.key_request);
    request.trace_parent = std::move(asked.trace_parent);
    request.parent = asked.parent;
    auto p = co_await prepare(who, request);
    if (!p) co_return p.error();
    p->plan_key = before.plan;
    p->plan_version = before.plan_version;

    std::unordered_map<std::string_view, std::size_t> numbers;
    for (std::size_t k = 0; k < nodes.size(); ++k) numbers.emplace(nodes[k].node_id, k);
    std::vector<bool> again(p->compiled.nodes.size(), false);
    bool named = from.empty();
    for (std::size_t k = 0; k < again.size(); ++k) {
        const auto& node_id = p->plan.nodes[p->compiled.nodes[k].index].node_id;
        const auto at = numbers.find(node_id);
        const bool is_from = node_id == from;
        named = named || is_from;
        again[k] = is_from || at == numbers.end() || nodes[at->second].status != "COMPLETED";
        // A fallback that was not needed is no reason to do again what is behind it.
        if (from.empty() && again[k] && p->compiled.nodes[k].fallback_of >= 0 && at != numbers.end() && nodes[at->second].status == "SKIPPED") again[k] = false;
    }
    if (!named) co_return error{errc::invalid_request, fmt::format("The plan has no node {}.", from), {{"from", fmt::format("\"{}\"", from), "names no node of the plan"}}};
    again = with_all_below(p->compiled, std::move(again));
    kept_nodes kept{id, std::vector<std::optional<std::pair<uuid, int>>>(again.size())};
    bool any = false;
    for (std::size_t k = 0; k < again.size(); ++k) {
        const auto at = numbers.find(p->plan.nodes[p->compiled.nodes[k].index].node_id);
        if (at == numbers.end() || nodes[at->second].status != "COMPLETED") {
            any = any || again[k];
            continue;
        }
        const auto& node = nodes[at->second];
        if (!again[k]) kept.of[k].emplace(node.kept_run.value_or(id), node.kept_no.value_or(static_cast<int>(at->second)));
        else any = true;
    }
    if (!any) co_return error{errc::not_retryable, "All of its nodes have completed; to do some of them again, name the first with `from`."};
    co_return co_await store(std::move(who), std::move(*p), std::move(request), std::move(kept));
}

awaitable<result<void>> plan_runs::cancel(principal who, uuid id, std::string reason)
{
    const auto done = co_await db_.write([who, id, reason = std::move(reason)](storage::session& s) { return storage::cancel_plan_run(s, who.tenant, id, who.name, reason); });
    if (done) tell_.advanced();
    co_return done;
}

namespace {

// A run as it stands, to be drawn.
graph graph_of_nodes(const std::vector<storage::plan_run_node>& nodes, int parallelism)
{
    graph g;
    for (const auto& node : nodes) {
        const auto items = node.items ? std::optional(static_cast<std::size_t>(*node.items)) : std::nullopt;
        g.nodes.push_back({node.node_id, node.job_id, node.status, node.gate, node.for_each, items, at_once(node.job_limit, parallelism)});
    }
    for (std::size_t k = 0; k < nodes.size(); ++k) {
        const auto from = static_cast<std::uint32_t>(k);
        for (std::size_t e = 0; e < nodes[k].to.size(); ++e) {
            const auto to = static_cast<std::uint32_t>(nodes[k].to[e]);
            const int kind = nodes[k].kinds.at(e);
            g.edges.push_back({from, to, static_cast<edge_type>((kind & 7) - 1), nodes[k].conditions.at(e), kind >= 8});
            if (nodes[k].fallback) g.waits.push_back({static_cast<std::uint32_t>(*nodes[k].fallback), to});
        }
        if (nodes[k].fallback) g.edges.push_back({from, static_cast<std::uint32_t>(*nodes[k].fallback), edge_type::fallback, {}, false});
    }
    return g;
}

}

awaitable<result<graph>> plan_runs::drawing(principal who, uuid id)
{
    const auto read = co_await read_run(who.tenant, id);
    if (!read) co_return read.error();
    co_return graph_of_nodes(read->nodes, options_.parallelism);
}

awaitable<result<json::object>> plan_runs::show(principal who, uuid id)
{
    struct told {
        std::string json;
        std::vector<storage::plan_run_node> nodes;
    };
    auto read = co_await db_.read([tenant = who.tenant, id](storage::session& s) -> result<told> {
        auto text = storage::find_plan_run_json(s, tenant, id);
        if (!text) return no_run(id);
        return told{std::move(*text), storage::plan_run_nodes(s, id)};
    });
    if (!read) co_return read.error();
    auto shown = object_of(read->json);
    std::vector<job_key> jobs;
    for (const auto& node : read->nodes) jobs.push_back(node.job);
    const auto seconds = co_await expected_seconds(std::move(jobs));
    const auto document = graph_document(graph_of_nodes(read->nodes, options_.parallelism), seconds);
    for (const std::string_view member : {"edges", "execution_order", "critical_path", "critical_path_seconds"}) shown[member] = document.at(member);
    co_return shown;
}

awaitable<result<std::vector<std::string>>> plan_runs::add_nodes(principal who, uuid id, json::array added)
{
    // Somebody else may add some at the same moment: the numbers are then given anew.
    for (int tries = 0; tries < 5; ++tries) {
        const auto answer = co_await try_add_nodes(who, id, added);
        if (!answer) co_return answer.error();
        if (*answer) co_return **answer;
    }
    co_return error{errc::overloaded, "Others add nodes to this plan run all the time. Try again.", {}, std::chrono::seconds{1}};
}

awaitable<result<std::optional<std::vector<std::string>>>> plan_runs::try_add_nodes(principal who, uuid id, json::array added)
{
    auto read = co_await read_run(who.tenant, id);
    if (!read) co_return read.error();
    const auto& nodes = read->nodes;
    const auto base = static_cast<std::uint32_t>(nodes.size());

    // The plan as it would be if all that is there needed nothing: so its nodes keep their numbers, and the added ones follow.
    json::array all;
    for (const auto& node : nodes) all.push_back(json::object{{"node_id", node.node_id}, {"job_id", node.job_id}});
    for (auto& node : added) all.push_back(std::move(node));
    prepared p;
    const auto document = json::object{{"nodes", std::move(all)}};
    const bool large = is_large(document);
    auto plan = co_await db_.compute(large, [&document, &defaults = jobs_.defaults()] { return parse_plan(document, {}, defaults); });
    if (!plan) co_return added_fields(plan.error(), base);
    p.plan = std::move(*plan);
    for (std::uint32_t k = 0; k < base; ++k) p.plan.nodes[k].gate = nodes[k].gate;
    error refused{errc::invalid_request, "Nodes that are added have no fallbacks, and are none."};
    for (std::size_t k = base; k < p.plan.nodes.size(); ++k) {
        if (p.plan.nodes[k].fallback) refused.fields.push_back({fmt::format("nodes[{}].fallback", k - base), "", "cannot be given to a node that is added"});
    }
    if (!refused.fields.empty()) co_return refused;
    auto jobs = co_await find_jobs(jobs_, who.tenant, p.plan, base);
    if (!jobs) co_return added_fields(jobs.error(), base);
    p.jobs = std::move(*jobs);
    if (!p.plan.paths.empty()) {
        const auto good = co_await db_.read([&paths = p.plan.paths](storage::session& s) { return check_paths(s, paths); });
        if (!good) co_return added_fields(good.error(), base);
    }
    auto compiled = co_await db_.compute(large, [&p, &parameters = read->run.parameters] { return compile(p.plan, object_of(parameters)); });
    if (!compiled) co_return added_fields(compiled.error(), base);
    p.compiled = std::move(*compiled);
    if (const auto stored = co_await store_inline_jobs(who, p); !stored) co_return stored.error();

    struct columns {
        storage::plan_node_columns nodes;
        storage::added_edge_columns edges;
    };
    auto filled = std::make_shared<columns>();
    // The layers of what is there count for what is below it.
    for (std::uint32_t k = 0; k < base; ++k) p.compiled.nodes[k].layer = static_cast<std::uint32_t>(nodes[k].layer);
    for (std::uint32_t k = 0; k < p.compiled.nodes.size(); ++k) {
        const auto& node = p.compiled.nodes[k];
        for (const auto& edge : node.edges) {
            auto& to = p.compiled.nodes[edge.to];
            to.layer = std::max(to.layer, node.layer + 1);
            if (k >= base) continue;
            filled->edges.from.add(static_cast<std::int32_t>(k));
            filled->edges.to.add(static_cast<std::int32_t>(edge.to - base));
            filled->edges.kind.add(static_cast<std::int16_t>(kind_of(edge)));
            filled->edges.condition.add_text_or_null(edge.condition);
        }
    }
    fill(filled->nodes, p.plan, p.compiled, p.jobs, object_of(read->run.tags), base);
    const auto first = co_await db_.write([id, base, filled](storage::session& s) { return storage::add_plan_nodes(s, id, static_cast<int>(base), filled->nodes, filled->edges); });
    if (!first) co_return first.error();
    if (!*first) co_return std::optional<std::vector<std::string>>{};
    tell_.advanced();
    std::vector<std::string> names;
    for (std::size_t k = base; k < p.plan.nodes.size(); ++k) names.push_back(p.plan.nodes[k].node_id);
    co_return std::optional(std::move(names));
}

}
