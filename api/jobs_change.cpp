#include "api/apply_body.hpp"
#include "api/job_body.hpp"
#include "api/policy_checks.hpp"
#include "api/routes.hpp"
#include "runtime/schedule/scheduler.hpp"
#include "storage/model/json_fields.hpp"

#include <boost/json/array.hpp>
#include <fmt/format.h>
#include <limits>
#include <stdexcept>

namespace rowlock::api {

namespace json = boost::json;

namespace {

constexpr text_bounds reason_bounds{0, 10'000};

std::string if_match_of(const request_context& rq)
{
    return std::string(rq.rq.header("If-Match").value_or(""));
}

// The job with a last member, `warnings`.
void append_with_warnings(std::string& out, std::string_view job_json, const std::vector<std::string>& warnings)
{
    out.append(job_json.substr(0, job_json.rfind('}')));
    out.append(",\"warnings\":");
    append_texts(out, warnings);
    out.push_back('}');
}

response rehearsed(request_context& rq, const job_definition& definition, const storage::put_job& would)
{
    auto answer = rq.reply(200);
    fmt::format_to(std::back_inserter(answer.body), R"({{"dry_run":true,"created":{},"changed":{},"version":{},"diff":)", would.created, would.changed, would.version);
    append_diff(answer.body, would, definition);
    answer.body.append(",\"job\":");
    append_with_warnings(answer.body, would.job_json, warnings_of(definition, would, rq));
    answer.body.push_back('}');
    return answer;
}

// ---- apply

struct jobs_to_apply {
    std::vector<storage::job_change> changes;
    bool dry_run = false;
};

result<jobs_to_apply> read_jobs(const request_context& rq, const json::object& body)
{
    field_errors errors;
    const auto given = read_apply(body, "jobs", errors);
    jobs_to_apply out{{}, given.dry_run};
    ids_given ids("jobs", "job_id", errors);
    for (std::size_t i = 0; given.items && i < given.items->size(); ++i) {
        const auto place = path_of("jobs", i);
        const auto* one = (*given.items)[i].if_object();
        if (!one) {
            errors.add(place, &(*given.items)[i], "must be an object: a definition");
            continue;
        }
        auto change = read_job_change(rq, *one, "");
        if (!change) {
            errors.add_all(change.error(), place);
            continue;
        }
        ids.add(i, change->definition.job_id);
        if (change->reason.empty()) change->reason = given.reason;
        out.changes.push_back(std::move(*change));
    }
    if (errors.empty()) return out;
    return std::move(errors).take("What is to be applied");
}

void append_applied(std::string& out, const job_definition& definition, const storage::put_job& made, const request_context& rq)
{
    fmt::format_to(std::back_inserter(out), R"({{"job_id":"{}","outcome":"{}","version":{},"etag":)", definition.job_id,
                   applied_outcome(made.created, made.changed || made.enabled != made.was_enabled), made.version);
    append_string(out, made.etag);
    out.append(",\"diff\":");
    append_diff(out, made, definition);
    out.append(",\"warnings\":");
    append_texts(out, warnings_of(definition, made, rq));
    out.push_back('}');
}

// ---- rollback, enable, disable

// The body of an action: `reason` alone, or with further members that `more` reads.
template <class More>
result<std::string> read_reason(const json::object& body, std::string_view subject, More more)
{
    field_errors errors;
    json::object accepted;
    json_fields fields(body, "", errors, accepted);
    const std::string reason = fields.text("reason", reason_bounds).value_or("");
    more(fields);
    fields.refuse_rest();
    for (auto& path : find_every_nul(body, field_errors::most)) errors.add(std::move(path), nullptr, "must not contain U+0000: the database cannot keep it");
    if (errors.empty()) return reason;
    return std::move(errors).take(subject);
}

constexpr std::size_t most_looked_at = 50;

// What a definition that has been stored says of times holds from now on. What this cannot do the scheduler does a moment later.
runtime::awaitable<void> set_clockwork(request_context& rq, const job_definition& definition)
{
    if (definition.schedule || !definition.windows.empty()) co_await rq.app.instance.schedules().look_at(rq.caller.tenant, definition.job_id);
}

runtime::awaitable<response> switch_job(request_context& rq, bool enabled)
{
    const auto job_id = rq.bare_slug("job_id");
    if (!job_id) co_return rq.refuse(job_id.error());
    const auto body = rq.body(true);
    if (!body) co_return rq.refuse(body.error());
    const auto reason = read_reason(**body, "The action", [](json_fields&) {});
    if (!reason) co_return rq.refuse(reason.error());
    const auto changed = co_await rq.app.instance.jobs().set_enabled(rq.caller, *job_id, enabled, *reason, if_match_of(rq));
    if (!changed) co_return rq.refuse(changed.error());
    if (enabled) co_await rq.app.instance.schedules().look_at(rq.caller.tenant, *job_id);
    auto answer = rq.reply(200);
    answer.add_header("ETag", changed->etag);
    answer.body.append(changed->json);
    co_return answer;
}

}

// PUT /v1/jobs/{job_id}: 201 where the job is new, 200, 400, 404, 412, 422. ?dry_run=true: 200 with what would change.
runtime::awaitable<response> put_job(request_context& rq)
{
    query_reader query(rq.rq.query());
    const bool dry_run = query.flag("dry_run");
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto job_id = rq.slug_of("job_id");
    if (!job_id) co_return rq.refuse(job_id.error());
    const auto body = rq.body();
    if (!body) co_return rq.refuse(body.error());
    auto change = read_job_change(rq, **body, *job_id);
    if (!change) co_return rq.refuse(change.error());
    change->if_match = if_match_of(rq);
    const std::vector<storage::job_change> only{std::move(*change)};
    if (const auto good = co_await check_paths(rq, only, false); !good) co_return rq.refuse(good.error());

    if (const auto good = check_policies(rq, only, false, dry_run); !good) co_return rq.refuse(good.error());
    const auto stored = co_await rq.app.instance.jobs().put(rq.caller, only.front(), dry_run);
    if (!stored) co_return rq.refuse(stored.error());
    const auto& definition = only.front().definition;
    if (dry_run) co_return rehearsed(rq, definition, *stored);
    note_policy_warnings(rq, definition, *stored);
    co_await set_clockwork(rq, definition);
    auto answer = rq.reply(stored->created ? 201 : 200);
    answer.add_header("ETag", stored->etag);
    if (stored->created) answer.add_header("Location", "/v1/jobs/" + *job_id);
    append_with_warnings(answer.body, stored->job_json, warnings_of(definition, *stored, rq));
    co_return answer;
}

// POST /v1/jobs/apply: 200 with what has become of each job, or, with dry_run, would; 400, 422. All or none.
runtime::awaitable<response> apply_jobs(request_context& rq)
{
    query_reader query(rq.rq.query());
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto body = rq.body();
    if (!body) co_return rq.refuse(body.error());
    const auto given = read_jobs(rq, **body);
    if (!given) co_return rq.refuse(given.error());
    if (const auto good = co_await check_paths(rq, given->changes, true); !good) co_return rq.refuse(good.error());
    if (const auto good = check_policies(rq, given->changes, true, given->dry_run); !good) co_return rq.refuse(good.error());
    const auto stored = co_await rq.app.instance.jobs().put_all(rq.caller, given->changes, given->dry_run);
    if (!stored) co_return rq.refuse(stored.error());
    for (std::size_t i = 0; i < given->changes.size() && !given->dry_run; ++i) note_policy_warnings(rq, given->changes[i].definition, (*stored)[i]);
    // The scheduler looks at many in fewer statements, in a moment.
    if (!given->dry_run && given->changes.size() > most_looked_at) rq.app.instance.schedules().poke();
    for (std::size_t i = 0; i < given->changes.size() && !given->dry_run && given->changes.size() <= most_looked_at; ++i) co_await set_clockwork(rq, given->changes[i].definition);
    auto answer = rq.reply(200);
    fmt::format_to(std::back_inserter(answer.body), R"({{"dry_run":{},"jobs":[)", given->dry_run);
    for (std::size_t i = 0; i < stored->size(); ++i) {
        if (i > 0) answer.body.push_back(',');
        append_applied(answer.body, given->changes[i].definition, (*stored)[i], rq);
    }
    answer.body.append("]}");
    co_return answer;
}

// POST /v1/jobs/{job_id}/rollback: 200 with the job, 400, 404, 412, 422. A new version with the contents of an earlier one.
runtime::awaitable<response> rollback_job(request_context& rq)
{
    const auto job_id = rq.bare_slug("job_id");
    if (!job_id) co_return rq.refuse(job_id.error());
    const auto body = rq.body();
    if (!body) co_return rq.refuse(body.error());
    int version = 0;
    const auto reason = read_reason(**body, "The rollback", [&version](json_fields& fields) {
        if (!fields.has("version")) fields.require("version");
        version = static_cast<int>(fields.integer("version", 1, std::numeric_limits<std::int32_t>::max()).value_or(0));
    });
    if (!reason) co_return rq.refuse(reason.error());
    const auto tenant = rq.caller.tenant;
    auto found = co_await rq.app.instance.db().read([tenant, job_id = *job_id, version](storage::session& s) { return storage::find_definition(s, tenant, job_id, version); });
    if (!found) {
        auto why = found.error();
        if (why.code == errc::job_version_not_found) why.fields.push_back({"version", std::to_string(version), "is no version of the job"});
        co_return rq.refuse(why);
    }
    const auto document = parse_json(*found);
    if (!document || !document->is_object()) throw std::runtime_error(fmt::format("the stored definition of {} version {} is no JSON object", *job_id, version));
    auto change = read_job_change(rq, document->get_object(), *job_id);
    if (!change) co_return rq.refuse(change.error());
    change->reason = *reason;
    change->if_match = if_match_of(rq);
    change->rolled_back_to = version;
    const std::vector<storage::job_change> only{std::move(*change)};
    const auto& definition = only.front().definition;
    if (const auto good = check_policies(rq, only, false, false); !good) co_return rq.refuse(good.error());
    const auto stored = co_await rq.app.instance.jobs().put(rq.caller, only.front(), false);
    if (!stored) co_return rq.refuse(stored.error());
    note_policy_warnings(rq, definition, *stored);
    co_await set_clockwork(rq, definition);
    auto answer = rq.reply(200);
    answer.add_header("ETag", stored->etag);
    append_with_warnings(answer.body, stored->job_json, warnings_of(definition, *stored, rq));
    co_return answer;
}

// POST /v1/jobs/{job_id}/enable and /disable: 200 with the job, 404, 412, 422.
runtime::awaitable<response> enable_job(request_context& rq)
{
    co_return co_await switch_job(rq, true);
}

runtime::awaitable<response> disable_job(request_context& rq)
{
    co_return co_await switch_job(rq, false);
}

// DELETE /v1/jobs/{job_id}: 204, 404, 412, 422. ?reason= is kept.
runtime::awaitable<response> delete_job(request_context& rq)
{
    query_reader query(rq.rq.query());
    const std::string reason = query.text("reason", reason_bounds.most).value_or("");
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto job_id = rq.slug_of("job_id");
    if (!job_id) co_return rq.refuse(job_id.error());
    if (const auto removed = co_await rq.app.instance.jobs().remove(rq.caller, *job_id, reason, if_match_of(rq)); !removed) co_return rq.refuse(removed.error());
    co_return rq.reply(204);
}

}
