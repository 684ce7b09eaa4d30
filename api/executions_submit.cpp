#include "api/routes.hpp"
#include "api/submission_body.hpp"
#include "storage/execution_store.hpp"

#include <fmt/format.h>
#include <map>

namespace rowlock::api {

namespace {

using runtime::submitted;

constexpr std::chrono::milliseconds longest_wait{300'000};

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

void append_location(response& answer, execution_id id)
{
    char text[36];
    id.value.write(text);
    answer.headers.append("Location: /v1/executions/").append(text, sizeof text).append("\r\n");
}

// A header may hold any bytes. Those that are no UTF-8 are shown as what they are in Latin-1, which headers were once written in.
std::string as_utf8(std::string_view bytes)
{
    if (is_utf8(bytes)) return std::string(bytes);
    std::string out;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80) {
            out += c;
        } else {
            out += static_cast<char>(0xc0 | (byte >> 6));
            out += static_cast<char>(0x80 | (byte & 0x3f));
        }
    }
    return out;
}

// The key of the header; "" where there is none.
std::string_view header_key(const request& rq, field_errors& errors)
{
    const auto key = rq.header("Idempotency-Key");
    if (!key) return {};
    const auto text = as_utf8(*key);
    const boost::json::value shown(boost::json::string_view(text.data(), text.size()));
    if (const auto why = refusal_of_key(*key); !why.empty()) errors.add("Idempotency-Key", &shown, std::string(why));
    if (rq.header_count("Idempotency-Key") > 1) errors.add("Idempotency-Key", &shown, "may be given only once");
    return *key;
}

// The key of one submission: from the header, the body, or both if they agree.
std::string_view key_of(const request& rq, const submission_body& given, field_errors& errors)
{
    const auto key = header_key(rq, errors);
    if (key.empty() || given.idempotency_key.empty()) return key.empty() ? given.idempotency_key : key;
    if (key != given.idempotency_key) {
        const boost::json::value shown(boost::json::string_view(given.idempotency_key.data(), given.idempotency_key.size()));
        errors.add("idempotency_key", &shown, fmt::format("differs from the header Idempotency-Key, which is {}", key));
    }
    return key;
}

// A job that cannot be used, as an error of the field that names it.
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

error disabled(std::string_view job_id)
{
    return {errc::job_disabled, fmt::format("The job {} is disabled. Enable it with POST /v1/jobs/{}/enable.", job_id, job_id)};
}

// The version to run. Errors: job_not_found, job_version_not_found, job_disabled, database_unavailable.
runtime::awaitable<result<job_version_ptr>> find_job(request_context& rq, std::string job_id, int version)
{
    // Whether a job is enabled is known of its current version: an older one may have been read long ago.
    auto& jobs = rq.app.instance.jobs();
    auto current = co_await jobs.find(rq.caller.tenant, job_id);
    if (!current) co_return std::move(current).error();
    auto wanted = current;
    if (version != 0 && version != (*current)->version) wanted = co_await jobs.find(rq.caller.tenant, job_id, version);
    if (wanted && !(*current)->enabled) co_return disabled(job_id);
    co_return wanted;
}

void fill(runtime::submission& into, const submission_body& given, job_version_ptr job, std::string_view key, const request_context& rq)
{
    into.parameters = merge_parameters(*job, given.parameters);
    into.priority = given.priority != 0 ? given.priority : job->definition.priority.value_or(0);
    into.scheduled_time = given.scheduled_time;
    into.correlation_id = given.correlation_id;
    if (given.tags && !given.tags->empty()) append_text(into.tags, *given.tags);
    into.trace_parent = rq.trace_parent;
    into.idempotency_key = key;
    if (!key.empty()) append_key_request(into.key_request, given);
    into.job = std::move(job);
}

// ?wait_seconds=: the answer is the whole execution. What was committed stays committed: where it cannot be read now, the ordinary answer
// is given.
runtime::awaitable<std::optional<std::string>> wait_and_read(request_context& rq, execution_id id, std::chrono::milliseconds wait)
{
    if (wait.count() > 0) {
        const auto waited = co_await rq.wait_for_run(id, runtime::steady_clock::now() + wait);
        if (!waited) co_return std::nullopt;
    }
    const auto tenant = rq.caller.tenant;
    auto found = co_await rq.app.instance.db().read([tenant, id](storage::session& s) -> result<std::optional<std::string>> {
        return storage::last_attempt_json(s, tenant, id);
    });
    if (!found) co_return std::nullopt;
    co_return std::move(*found);
}

runtime::awaitable<response> answer_one(request_context& rq, submitted one, std::optional<std::chrono::milliseconds> wait)
{
    auto answer = rq.reply(one.replayed ? 200 : 201);
    append_location(answer, one.id);
    if (wait) {
        if (const auto whole = co_await wait_and_read(rq, one.id, *wait)) {
            answer.body.append(*whole);
            co_return answer;
        }
    }
    append_submitted(answer.body, one);
    co_return answer;
}

response answer_batch(request_context& rq, const std::vector<submitted>& all)
{
    bool all_replayed = true;
    for (const auto& one : all) all_replayed = all_replayed && one.replayed;
    auto answer = rq.reply(all_replayed ? 200 : 201);
    answer.body.append("{\"executions\":[");
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i > 0) answer.body.push_back(',');
        append_submitted(answer.body, all[i]);
    }
    answer.body.append("]}");
    return answer;
}

std::string key_request_of(const submission_body& given)
{
    std::string request;
    append_key_request(request, given);
    return request;
}

std::string key_request_of(const std::vector<submission_body>& batch)
{
    std::string request = "{\"executions\":[";
    for (std::size_t i = 0; i < batch.size(); ++i) {
        if (i > 0) request.push_back(',');
        append_key_request(request, batch[i]);
    }
    return request + "]}";
}

// What was accepted under this key before its job was disabled; empty: nothing.
runtime::awaitable<std::vector<submitted>> replay_of(request_context& rq, std::string_view key, std::string key_request)
{
    if (key.empty()) co_return std::vector<submitted>{};
    auto before = co_await rq.app.instance.find_replay(rq.caller.tenant, std::string(key), std::move(key_request));
    co_return before ? std::move(*before) : std::vector<submitted>{};
}

}

// POST /v1/executions: 201, 200, 400, 409, 422, 429, 503.
runtime::awaitable<response> submit_execution(request_context& rq)
{
    std::optional<std::chrono::milliseconds> wait;
    if (!rq.rq.query().empty()) {
        query_reader query(rq.rq.query());
        wait = query.seconds("wait_seconds", longest_wait);
        if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    }
    const auto body = rq.body();
    if (!body) co_return rq.refuse(body.error());
    field_errors errors;
    submission_body given;
    read_submission(**body, "", errors, given);
    refuse_nul(**body, rq.rq.body(), errors);
    const auto key = key_of(rq.rq, given, errors);

    // The hot way asks nobody: the definition is in memory.
    bool is_disabled = false;
    job_version_ptr job = given.job_version == 0 ? rq.app.instance.jobs().cached(rq.caller.tenant, given.job_id) : nullptr;
    if (!job && is_slug(given.job_id)) {
        auto found = co_await find_job(rq, std::string(given.job_id), given.job_version);
        if (!found) {
            auto why = refused_job(std::move(found).error(), given, "");
            is_disabled = why.code == errc::job_disabled;
            if (!is_disabled && (errors.empty() || why.fields.empty())) co_return rq.refuse(why);
            if (!is_disabled) errors.add(why.fields[0].field, (*body)->if_contains(why.fields[0].field), why.fields[0].message);
        } else {
            job = std::move(*found);
        }
    }
    if (!errors.empty()) co_return rq.refuse(std::move(errors).take("The submission"));
    if (is_disabled || (given.job_version == 0 && !job->enabled)) {
        auto before = co_await replay_of(rq, key, key_request_of(given));
        if (before.empty()) co_return rq.refuse(refused_job(disabled(given.job_id), given, ""));
        co_return co_await answer_one(rq, before.front(), wait);
    }

    runtime::submit_request request;
    request.tenant = rq.caller.tenant;
    request.submitter = rq.caller.name;
    fill(request.items.emplace_back(), given, std::move(job), key, rq);
    const auto answers = co_await rq.app.instance.submit(std::move(request));
    if (!answers) co_return rq.refuse(answers.error());

    co_return co_await answer_one(rq, answers->front(), wait);
}

namespace {

// What the jobs of a batch are, and what is wrong with them.
struct batch_jobs {
    std::vector<job_version_ptr> of;                     // by item; null where there is none
    std::vector<field_error> refused;
    bool only_missing_jobs = true;
    bool only_missing_versions = true;
    bool only_disabled = true;
};

runtime::awaitable<result<batch_jobs>> find_jobs(request_context& rq, const std::vector<submission_body>& items)
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
            result<job_version_ptr> found = given.job_version == 0 ? rq.app.instance.jobs().cached(rq.caller.tenant, given.job_id) : nullptr;
            if (!*found) {
                found = co_await find_job(rq, std::string(given.job_id), given.job_version);
            } else if (!(*found)->enabled) {
                found = disabled(given.job_id);
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

}

// POST /v1/executions/batch: 201, 200, 400, 409, 422, 429, 503. All or none.
runtime::awaitable<response> submit_batch(request_context& rq)
{
    query_reader query(rq.rq.query());
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto body = rq.body();
    if (!body) co_return rq.refuse(body.error());
    field_errors errors;
    std::vector<submission_body> items;
    read_batch(**body, errors, items);
    refuse_nul(**body, rq.rq.body(), errors);
    const auto key = header_key(rq.rq, errors);
    for (std::size_t i = 0; i < items.size() && !key.empty(); ++i) {
        if (items[i].idempotency_key.empty()) continue;
        const boost::json::value shown(boost::json::string_view(items[i].idempotency_key.data(), items[i].idempotency_key.size()));
        errors.add(path_of(path_of("executions", i), "idempotency_key"), &shown, "cannot stand beside the header Idempotency-Key, which names the whole batch");
    }
    auto jobs = co_await find_jobs(rq, items);
    if (!jobs) co_return rq.refuse(jobs.error());
    if (errors.empty() && !jobs->refused.empty() && jobs->only_disabled) {
        const auto before = co_await replay_of(rq, key, key_request_of(items));
        if (!before.empty()) co_return answer_batch(rq, before);
    }
    if (!errors.empty() || !jobs->refused.empty()) co_return rq.refuse(batch_error(std::move(errors), std::move(*jobs)));

    runtime::submit_request request;
    request.tenant = rq.caller.tenant;
    request.submitter = rq.caller.name;
    request.items.resize(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) fill(request.items[i], items[i], std::move(jobs->of[i]), items[i].idempotency_key, rq);
    if (!key.empty()) {
        request.batch_key = key;
        request.batch_key_request = key_request_of(items);
    }
    auto answers = co_await rq.app.instance.submit(std::move(request));
    if (!answers) {
        // In a batch of one the runtime does not know that it was a batch.
        for (auto& field : answers.error().fields) {
            if (key.empty() && field.field == "idempotency_key") field.field = "executions[0].idempotency_key";
        }
        co_return rq.refuse(answers.error());
    }
    co_return answer_batch(rq, *answers);
}

}
