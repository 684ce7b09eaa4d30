#include "runtime/plan/job_plans.hpp"

#include "storage/child_plan_store.hpp"
#include "storage/model/json_text.hpp"
#include "storage/model/plan.hpp"

#include <boost/json/string.hpp>
#include <fmt/format.h>
#include <unordered_map>
#include <utility>

namespace rowlock::runtime {

namespace json = boost::json;

namespace {

principal acting_for(const job_version& job)
{
    return {.name = "job:" + job.definition.job_id, .granted = role::operator_, .tenant = job.tenant};
}

std::string_view text_of(const json::object& node, std::string_view member)
{
    const auto* given = node.if_contains(member);
    const auto* text = given ? given->if_string() : nullptr;
    return text ? std::string_view(text->data(), text->size()) : std::string_view();
}

// The job of a node, as parse_plan names it; empty: it is none. What the node needs and is given does not matter for it, and may not be there.
std::string job_of(json::object node, const definition_defaults& defaults)
{
    if (const auto job_id = text_of(node, "job_id"); !job_id.empty()) return std::string(job_id);
    for (const auto* member : {"needs", "fallback", "for_each", "parameters"}) node.erase(member);
    const auto plan = parse_plan({{"nodes", json::array{std::move(node)}}}, {}, defaults);
    return plan ? plan->job_id_of(plan->nodes.front()) : std::string();
}

bool is_there(const json::value& node, const std::unordered_map<std::string_view, std::string_view>& jobs, const definition_defaults& defaults)
{
    const auto* object = node.if_object();
    const auto at = object ? jobs.find(text_of(*object, "node_id")) : jobs.end();
    return at != jobs.end() && job_of(*object, defaults) == at->second;
}

error too_deep()
{
    return {errc::invalid_request,
            fmt::format("It lies within {} other plans already, which is as deep as plans go; does a plan have itself as a node?", job_plans::most_around)};
}

}

child_plan_functions job_plans::functions()
{
    child_plan_functions f;
    f.begin = [this](const assignment& work) { return begin(work); };
    f.wait = [this](uuid plan_run, deadline until) { return wait(plan_run, until); };
    f.look = [this](uuid plan_run) { return look(plan_run); };
    f.cancel = [this](const assignment& work, uuid plan_run, std::string reason) { return cancel(acting_for(*work.job), plan_run, std::move(reason)); };
    return f;
}

awaitable<result<child_plan>> job_plans::begin(assignment work)
{
    struct place {
        std::optional<storage::child_plan_run> last;
        int around = 0;
    };
    const auto found = co_await db_.read([id = work.id, run = work.run_id](storage::session& s) -> result<place> {
        place here{storage::last_plan_run_of(s, run), 0};
        if (!here.last) here.around = storage::plans_around(s, id, most_around);
        return here;
    });
    if (!found) co_return found.error();
    auto who = acting_for(*work.job);
    if (found->last) {
        auto on = co_await go_on(who, *found->last, work.run_id, work.trace_parent);
        // There is nothing in it to do again, or another attempt has begun to: then that one's run is what start() finds.
        if (on || on.error().code != errc::not_retryable) co_return on;
    }
    if (found->around >= most_around) co_return too_deep();
    const auto& handler = std::get<composite_handler>(work.job->definition.handler);
    plan_run_request request;
    request.plan_id = handler.plan_id;
    request.plan = handler.plan;
    if (auto parameters = parse_json(work.parameters); parameters && parameters->is_object()) request.parameters = std::move(parameters->get_object());
    request.correlation_id = work.correlation_id;
    request.trace_parent = work.trace_parent;
    request.parent = work.run_id;
    const auto made = co_await plans_.start(std::move(who), std::move(request));
    if (!made) co_return made.error();
    co_return child_plan{made->id, "RUNNING"};
}

awaitable<result<child_plan>> job_plans::go_on(principal who, storage::child_plan_run last, execution_id run, std::string trace_parent)
{
    if (last.status == "RUNNING" || last.status == "COMPLETED") co_return child_plan{last.id, last.status};
    plan_rerun_request request{.of = last.id};
    request.trace_parent = std::move(trace_parent);
    request.parent = run;
    const auto made = co_await plans_.rerun(std::move(who), std::move(request));
    if (!made) co_return made.error();
    co_return child_plan{made->id, "RUNNING"};
}

awaitable<result<bool>> job_plans::wait(uuid plan_run, deadline until)
{
    co_return co_await ends_.wait(execution_id{plan_run}, until);
}

awaitable<result<child_plan_end>> job_plans::look(uuid plan_run)
{
    co_return co_await db_.read([plan_run](storage::session& s) -> result<child_plan_end> {
        auto end = storage::find_plan_run_end(s, plan_run);
        if (!end) return error{errc::not_found, fmt::format("There is no plan run {}.", plan_run.str())};
        return child_plan_end{std::move(end->status), end->nodes, end->failed, std::move(end->first_failed)};
    });
}

awaitable<result<void>> job_plans::cancel(principal who, uuid plan_run, std::string reason)
{
    co_return co_await plans_.cancel(std::move(who), plan_run, std::move(reason));
}

awaitable<result<void>> job_plans::add_nodes(assignment work, json::array nodes)
{
    if (!work.in_plan) co_return error{errc::invalid_request, "the execution is no node of a plan run"};
    const auto plan_run = co_await db_.read([id = work.id](storage::session& s) -> result<uuid> {
        if (const auto of = storage::plan_run_of(s, id)) return *of;
        return error{errc::invalid_request, "the execution is no node of a plan run"};
    });
    if (!plan_run) co_return plan_run.error();
    const auto who = acting_for(*work.job);
    // Others may add nodes of the same names between a look and an addition: what was refused for it is looked at once more.
    for (int tries = 1;; ++tries) {
        const auto there = co_await db_.read([id = *plan_run](storage::session& s) -> result<std::vector<storage::plan_run_node>> { return storage::plan_run_nodes(s, id); });
        if (!there) co_return there.error();
        std::unordered_map<std::string_view, std::string_view> jobs;
        for (const auto& node : *there) jobs.emplace(node.node_id, node.job_id);
        json::array fresh;
        for (const auto& node : nodes) {
            if (!is_there(node, jobs, jobs_.defaults())) fresh.push_back(node);
        }
        if (fresh.empty() && !nodes.empty()) co_return result<void>{};
        const auto added = co_await plans_.add_nodes(who, *plan_run, std::move(fresh));
        if (added) co_return result<void>{};
        if (added.error().code != errc::already_ended || tries == 2) co_return added.error();
    }
}

}
