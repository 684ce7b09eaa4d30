#include "runtime/plan/plan_checks.hpp"

#include "storage/json_paths.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>
#include <map>
#include <unordered_map>

namespace rowlock::runtime {

namespace json = boost::json;

namespace {

// Values in it, counted up to `most`.
std::size_t count_values(const json::value& v, std::size_t most)
{
    std::size_t n = 1;
    if (const auto* object = v.if_object()) {
        for (const auto& member : *object) {
            if (n >= most) break;
            n += count_values(member.value(), most - n);
        }
    } else if (const auto* array = v.if_array()) {
        for (const auto& item : *array) {
            if (n >= most) break;
            n += count_values(item, most - n);
        }
    }
    return n;
}

struct lookup {
    job_version_ptr job;                             // nullptr: there is none
};

awaitable<result<lookup>> look_up(catalog& jobs, tenant_key tenant, const plan_node& node)
{
    auto job = node.job_version ? nullptr : jobs.cached(tenant, node.job_id);
    if (job) co_return lookup{std::move(job)};
    auto found = co_await jobs.find(tenant, node.job_id, node.job_version.value_or(0));
    if (found) co_return lookup{std::move(*found)};
    if (found.error().code != errc::job_not_found && found.error().code != errc::job_version_not_found) co_return std::move(found).error();
    co_return lookup{};
}

}

awaitable<result<std::vector<job_version_ptr>>> find_jobs(catalog& jobs, tenant_key tenant, plan_definition& plan, std::size_t first)
{
    std::unordered_map<std::string_view, std::map<int, job_version_ptr>> known;
    error refused{errc::invalid_request, "The plan names jobs that cannot be run."};
    error disabled{errc::job_disabled, "The plan names jobs that are disabled."};
    std::vector<job_version_ptr> all(plan.nodes.size());
    for (std::size_t i = first; i < plan.nodes.size(); ++i) {
        auto& node = plan.nodes[i];
        if (node.inline_job) continue;
        auto& versions = known[node.job_id];
        auto at = versions.find(node.job_version.value_or(0));
        if (at == versions.end()) {
            auto found = co_await look_up(jobs, tenant, node);
            if (!found) co_return std::move(found).error();
            at = versions.emplace(node.job_version.value_or(0), std::move(found->job)).first;
        }
        const auto& job = at->second;
        if (!job) {
            refused.fields.push_back({fmt::format("nodes[{}].{}", i, node.job_version ? "job_version" : "job_id"), fmt::format("\"{}\"", node.job_id),
                                      node.job_version ? "has no such version" : "names no job; define it first"});
            continue;
        }
        node.gate = node.gate || job->definition.is_validator;
        if (job->enabled) all[i] = job;
        else disabled.fields.push_back({fmt::format("nodes[{}].job_id", i), fmt::format("\"{}\"", node.job_id), "names a job that is disabled"});
    }
    if (!refused.fields.empty()) co_return refused;
    if (!disabled.fields.empty()) co_return disabled;
    co_return all;
}

result<void> check_paths(storage::session& s, const std::vector<path_to_check>& paths)
{
    std::map<std::string, std::optional<std::string>> known;
    error refused{errc::invalid_request, "The plan is not valid."};
    for (const auto& each : paths) {
        auto at = known.find(each.path);
        if (at == known.end()) at = known.emplace(each.path, storage::refusal_of_path(s, each.path)).first;
        if (at->second) refused.fields.push_back({each.field, json::serialize(json::value(each.path)), fmt::format("is no SQL/JSON path: {}", *at->second)});
    }
    if (refused.fields.empty()) return {};
    return refused;
}

error below(std::string_view prefix, error e)
{
    if (prefix.empty()) return e;
    for (auto& field : e.fields) field.field = fmt::format("{}.{}", prefix, field.field);
    return e;
}

bool is_large(const json::object& plan)
{
    constexpr std::size_t most = 10'000;
    std::size_t n = 0;
    for (const auto& member : plan) {
        n += count_values(member.value(), most);
        if (n >= most) return true;
    }
    return false;
}

}
