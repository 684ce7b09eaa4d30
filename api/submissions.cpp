#include "api/submissions.hpp"

#include "api/response.hpp"
#include "storage/model/json_text.hpp"

#include <fmt/format.h>
#include <map>

namespace rowlock::api {

using runtime::submitted;

namespace {

// What the jobs of a batch are, and what is wrong with them.
struct batch_jobs {
    std::vector<job_version_ptr> of;                     // by item; null where there is none
    std::vector<field_error> refused;
    bool only_missing_jobs = true;
    bool only_missing_versions = true;
    bool only_disabled = true;
};

runtime::awaitable<result<batch_jobs>> find_jobs(submission_scope scope, const std::vector<submission_body>& items)
{
    std::map<std::pair<std::string_view, int>, result<job_version_ptr>> known;
    batch_jobs jobs;
    jobs.of.reserve(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
        const auto& given = items[i];
        jobs.of.emplace_back();
        if (!is_slug(given.job_id)) continue;
        auto at = known.find({given.job_id, given.job_version});
        if (at == known.end()) {
            result<job_version_ptr> found = given.job_version == 0 ? scope.instance.jobs().cached(scope.caller.tenant, given.job_id) : nullptr;
            if (!*found) {
                found = co_await find_job(scope, std::string(given.job_id), given.job_version);
            } else if (!(*found)->enabled) {
                found = disabled_job(given.job_id);
            }
            at = known.emplace(std::pair(given.job_id, given.job_version), std::move(found)).first;
        }
        if (at->second) {
            jobs.of.back() = *at->second;
            continue;
        }
        auto why = refused_job(at->second.error(), given, path_of("executions", i));
        if (why.fields.empty()) co_return why;
        jobs.only_missing_jobs = jobs.only_missing_jobs && why.code == errc::job_not_found;
        jobs.only_missing_versions = jobs.only_missing_versions && why.code == errc::job_version_not_found;
        jobs.only_disabled = jobs.only_disabled && why.code == errc::job_disabled;
        if (jobs.refused.size() < field_errors::most) jobs.refused.push_back(std::move(why.fields[0]));
    }
    co_return jobs;
}

// One problem for everything that is wrong with a batch: its code is the one that all errors share, otherwise INVALID_REQUEST.
error batch_error(field_errors&& errors, batch_jobs&& jobs)
{
    const bool fields_are_right = errors.empty();
    error e = fields_are_right ? error{} : std::move(errors).take("The batch");
    e.code = !fields_are_right             ? errc::invalid_request
             : jobs.only_missing_jobs      ? errc::job_not_found
             : jobs.only_missing_versions  ? errc::job_version_not_found
             : jobs.only_disabled          ? errc::job_disabled
                                           : errc::invalid_request;
    for (auto& each : jobs.refused) e.fields.push_back(std::move(each));
    e.detail = fmt::format("Nothing of the batch was submitted: {} of its fields {} refused, see `errors`.", e.fields.size(), e.fields.size() == 1 ? "is" : "are");
    return e;
}

std::string key_request_of(const std::vector<submission_body>& items)
{
    std::string request = "{\"executions\":[";
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (i > 0) request.push_back(',');
        append_key_request(request, items[i]);
    }
    return request + "]}";
}

void refuse_keys_beside(batch& given)
{
    for (std::size_t i = 0; i < given.items.size() && !given.key.empty(); ++i) {
        const auto key = given.items[i].idempotency_key;
        if (key.empty()) continue;
        const boost::json::value shown(boost::json::string_view(key.data(), key.size()));
        given.errors.add(path_of(path_of("executions", i), "idempotency_key"), &shown,
                         fmt::format("cannot stand beside {}, which names the whole batch", given.key_stands_in));
    }
}

runtime::submit_request request_of(const submission_scope& scope, const batch& given, std::vector<job_version_ptr>&& jobs)
{
    runtime::submit_request request;
    request.tenant = scope.caller.tenant;
    request.submitter = scope.caller.name;
    request.items.resize(given.items.size());
    for (std::size_t i = 0; i < given.items.size(); ++i) {
        fill(request.items[i], given.items[i], std::move(jobs[i]), given.items[i].idempotency_key, scope.trace_parent);
    }
    if (!given.key.empty()) {
        request.batch_key = given.key;
        request.batch_key_request = key_request_of(given.items);
    }
    return request;
}

}

void append_submitted(std::string& out, const submitted& one)
{
    char id[36];
    out.append("{\"execution_id\":\"").append(id, static_cast<std::size_t>(one.id.value.write(id) - id));
    out.append("\",\"run_id\":\"").append(id, static_cast<std::size_t>(one.run_id.value.write(id) - id));
    out.append("\",\"job_id\":\"").append(one.job_id);                    // a slug: nothing to escape
    out.append("\",\"job_version\":");
    append_count(out, static_cast<std::size_t>(one.job_version));
    out.append(",\"status\":\"").append(to_string(one.status));
    out.append(one.replayed ? "\",\"replayed\":true}" : "\",\"replayed\":false}");
}

void append_submitted(std::string& out, const std::vector<submitted>& all)
{
    out.append("\"executions\":[");
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i > 0) out.push_back(',');
        append_submitted(out, all[i]);
    }
    out.push_back(']');
}

error refused_job(error why, const submission_body& given, std::string_view path)
{
    const bool version = why.code == errc::job_version_not_found;
    if (!version && why.code != errc::job_not_found && why.code != errc::job_disabled) return why;
    std::string value;
    if (version) {
        value = std::to_string(given.job_version);
    } else {
        append_string(value, given.job_id);
    }
    why.fields.push_back({path_of(path, version ? "job_version" : "job_id"), std::move(value), version ? "is no version of the job" : why.code == errc::job_disabled ? "is disabled" : "is not the id of a job"});
    return why;
}

error disabled_job(std::string_view job_id)
{
    return {errc::job_disabled, fmt::format("The job {} is disabled. Enable it with POST /v1/jobs/{}/enable.", job_id, job_id)};
}

runtime::awaitable<result<job_version_ptr>> find_job(submission_scope scope, std::string job_id, int version)
{
    // Whether a job is enabled is known of its current version: an older one may have been read long ago.
    auto& jobs = scope.instance.jobs();
    auto current = co_await jobs.find(scope.caller.tenant, job_id);
    if (!current) co_return std::move(current).error();
    auto wanted = current;
    if (version != 0 && version != (*current)->version) wanted = co_await jobs.find(scope.caller.tenant, job_id, version);
    if (wanted && !(*current)->enabled) co_return disabled_job(job_id);
    co_return wanted;
}

void fill(runtime::submission& into, const submission_body& given, job_version_ptr job, std::string_view key, std::string_view trace_parent)
{
    into.parameters = merge_parameters(*job, given.parameters);
    into.priority = given.priority != 0 ? given.priority : job->definition.priority.value_or(0);
    into.scheduled_time = given.scheduled_time;
    into.correlation_id = given.correlation_id;
    if (given.tags && !given.tags->empty()) append_text(into.tags, *given.tags);
    into.trace_parent = trace_parent;
    into.ignore_dependencies = given.ignore_dependencies;
    into.idempotency_key = key;
    if (!key.empty()) append_key_request(into.key_request, given);
    into.job = std::move(job);
}

std::string key_request_of(const submission_body& given)
{
    std::string request;
    append_key_request(request, given);
    return request;
}

runtime::awaitable<std::vector<submitted>> replay_of(submission_scope scope, std::string_view key, std::string key_request)
{
    if (key.empty()) co_return std::vector<submitted>{};
    auto before = co_await scope.instance.find_replay(scope.caller.tenant, std::string(key), std::move(key_request));
    co_return before ? std::move(*before) : std::vector<submitted>{};
}

std::optional<runtime::submit_request> prepare_at_once(const submission_scope& scope, const batch& given)
{
    if (!given.errors.empty()) return std::nullopt;
    std::vector<job_version_ptr> jobs;
    jobs.reserve(given.items.size());
    for (std::size_t i = 0; i < given.items.size(); ++i) {
        const auto& one = given.items[i];
        if (one.job_version != 0 || (!given.key.empty() && !one.idempotency_key.empty())) return std::nullopt;
        // Mostly a batch is of one job.
        const bool as_before = i > 0 && one.job_id == given.items[i - 1].job_id;
        jobs.push_back(as_before ? jobs.back() : scope.instance.jobs().cached(scope.caller.tenant, one.job_id));
        if (!jobs.back() || !jobs.back()->enabled) return std::nullopt;
    }
    return request_of(scope, given, std::move(jobs));
}

runtime::awaitable<result<prepared_batch>> prepare(submission_scope scope, batch& given)
{
    refuse_keys_beside(given);
    auto jobs = co_await find_jobs(scope, given.items);
    if (!jobs) co_return std::move(jobs).error();
    prepared_batch prepared;
    if (given.errors.empty() && !jobs->refused.empty() && jobs->only_disabled) {
        prepared.replayed = co_await replay_of(scope, given.key, key_request_of(given.items));
        if (!prepared.replayed.empty()) co_return prepared;
    }
    if (!given.errors.empty() || !jobs->refused.empty()) co_return batch_error(std::move(given.errors), std::move(*jobs));
    prepared.request = request_of(scope, given, std::move(jobs->of));
    co_return prepared;
}

error as_error_of_batch(error why, bool has_key)
{
    // In a batch of one the runtime does not know that it was a batch.
    for (auto& field : why.fields) {
        if (!has_key && field.field == "idempotency_key") field.field = "executions[0].idempotency_key";
        if (field.field == "job_id") field.field = "executions[0].job_id";
    }
    return why;
}

}
