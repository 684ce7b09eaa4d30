#include "api/routes.hpp"
#include "api/submission_body.hpp"
#include "api/submissions.hpp"
#include "runtime/schedule/evaluate.hpp"
#include "storage/schedule_store.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace rowlock::api {

namespace {

// Of one request: it is one commit. Who backfills more asks again from `next_from` on.
constexpr std::int64_t most_at_once = 1000;
// From `from` to `to` in all: so that a slip of the hand is not a flood.
constexpr std::size_t most_in_all = 10'000;
constexpr text_bounds reason_bounds{0, 1000};

struct backfill_request {
    timestamp from{};
    timestamp to{};
    bool dry_run = false;
    bool ignore_dependencies = false;
    std::size_t limit = most_at_once;
    std::optional<boost::json::object> parameters{};
    std::string reason{};
};

std::optional<timestamp> read_time(json_fields& fields, std::string_view name)
{
    if (!fields.has(name)) {
        fields.require(name);
        return std::nullopt;
    }
    const auto f = fields.find(name);
    const auto* text = f ? f.value->if_string() : nullptr;
    const auto at = text ? parse_rfc3339({text->data(), text->size()}) : std::nullopt;
    const bool is_day = text && !at && parse_rfc3339(std::string(text->data(), text->size()) + "T00:00:00Z");
    if (is_day) fields.refuse(f, fmt::format("is a day, and must be a time: say when it begins, like {}T00:00:00Z", std::string_view(text->data(), text->size())));
    else if (!at) fields.refuse(f, "must be a time as in RFC 3339, like 2026-01-31T09:30:00Z, from 1970 to 9999");
    return at;
}

backfill_request read_backfill(const boost::json::object& body, field_errors& errors)
{
    backfill_request given;
    boost::json::object accepted;
    json_fields fields(body, "", errors, accepted);
    const auto from = read_time(fields, "from");
    const auto to = read_time(fields, "to");
    given.dry_run = fields.boolean("dry_run").value_or(false);
    given.ignore_dependencies = fields.boolean("ignore_dependencies").value_or(false);
    given.limit = static_cast<std::size_t>(fields.integer("limit", 1, most_at_once).value_or(most_at_once));
    given.parameters = fields.free_object("parameters");
    given.reason = fields.text("reason", reason_bounds).value_or("");
    if (from && to && *to <= *from) fields.refuse(fields.find("to"), fmt::format("must be after from, {}", to_rfc3339(*from)));
    fields.refuse_rest();
    if (from) given.from = *from;
    if (to) given.to = *to;
    return given;
}

error refusal(std::string_view field, timestamp value, std::string message)
{
    error why{errc::invalid_request, fmt::format("Nothing was submitted: {} {}", field, message), {}, {}};
    why.fields.push_back({std::string(field), "\"" + to_rfc3339(value) + "\"", std::move(message)});
    return why;
}

// One execution for each of these ticks, which a repeat finds by its key.
runtime::submit_request request_for(const request_context& rq, const backfill_request& given, const std::string& schedule_id, const job_version_ptr& job, const std::vector<timestamp>& ticks)
{
    runtime::submit_request request;
    request.tenant = rq.caller.tenant;
    request.submitter = rq.caller.name;
    const std::string correlation = "backfill-" + schedule_id;
    for (const auto tick : ticks) {
        submission_body one;
        one.job_id = job->definition.job_id;
        one.scheduled_time = tick;
        one.correlation_id = correlation;
        one.ignore_dependencies = given.ignore_dependencies;
        if (given.parameters) one.parameters = &*given.parameters;
        fill(request.items.emplace_back(), one, job, fmt::format("backfill/{}/{}", schedule_id, to_rfc3339(tick)), rq.trace_parent);
    }
    return request;
}

std::string answer_of(const std::string& job_id, const std::string& schedule_id, bool dry_run, std::size_t total, const std::vector<timestamp>& ticks,
                      const std::vector<runtime::submitted>& made, std::optional<timestamp> next_from)
{
    const auto replayed = static_cast<std::size_t>(std::count_if(made.begin(), made.end(), [](const auto& one) { return one.replayed; }));
    auto body = fmt::format(R"({{"job_id":"{}","schedule_id":"{}","dry_run":{},"total":{},"submitted":{},"replayed":{},"next_from":)", job_id, schedule_id, dry_run, total,
                            made.size() - replayed, replayed);
    body += next_from ? "\"" + to_rfc3339(*next_from) + "\"" : "null";
    body += R"(,"executions":[)";
    for (std::size_t i = 0; i < ticks.size(); ++i) {
        body += fmt::format(R"({}{{"scheduled_time":"{}","execution_id":)", i > 0 ? "," : "", to_rfc3339(ticks[i]));
        body += dry_run ? std::string(R"(null,"replayed":false})") : fmt::format(R"("{}","replayed":{}}})", made[i].id.str(), made[i].replayed);
    }
    return body + "]}";
}

}

// POST /v1/jobs/{job_id}/backfill: 200 with an execution for each time of the job's schedule from `from` up to and without `to`, in steps; 400, 404, 409, 422, 503.
runtime::awaitable<response> backfill_job(request_context& rq)
{
    query_reader query(rq.rq.query());
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto job_id = rq.slug_of("job_id");
    if (!job_id) co_return rq.refuse(job_id.error());
    const auto body = rq.body();
    if (!body) co_return rq.refuse(body.error());
    field_errors errors;
    const auto given = read_backfill(**body, errors);
    refuse_nul(**body, rq.rq.body(), errors);
    if (!errors.empty()) co_return rq.refuse(std::move(errors).take("The backfill"));

    const auto job = co_await find_job({rq.app.instance, rq.caller, rq.trace_parent}, *job_id, 0);
    if (!job) co_return rq.refuse(job.error());
    const auto tenant = rq.caller.tenant;
    const auto known = co_await rq.app.instance.db().read([tenant, id = *job_id](storage::session& s) -> result<std::optional<storage::stored_schedule>> {
        return storage::find_schedule_of_job(s, tenant, id);
    });
    if (!known) co_return rq.refuse(known.error());
    if (!*known || !(*job)->definition.schedule) {
        co_return rq.refuse(error{errc::invalid_request, fmt::format("The job {} has no schedule, which would say what to backfill.", *job_id), {}, {}});
    }
    const auto& stored = **known;
    if (given.to > stored.now) co_return rq.refuse(refusal("to", given.to, fmt::format("must not be in the future: it is {}; what is to come the schedule runs itself", to_rfc3339(stored.now))));
    const auto compiled = runtime::compile_stored(stored.spec, rq.app.instance.zones(), stored.registered_at);
    if (!compiled) co_return rq.refuse(compiled.error());
    constexpr std::chrono::microseconds instant{1};
    auto ticks = runtime::ticks_between(*compiled, given.from - instant, given.to - instant, most_in_all + 1);
    const auto total = ticks.size();
    if (total > most_in_all) {
        co_return rq.refuse(refusal("to", given.to, fmt::format("must be earlier: there are more than {} times from {} on; backfill them in parts", most_in_all, to_rfc3339(given.from))));
    }
    std::optional<timestamp> next_from;
    if (total > given.limit) {
        next_from = ticks[given.limit];
        ticks.resize(given.limit);
    }
    std::vector<runtime::submitted> made;
    const std::string schedule_id = (*job)->definition.schedule->schedule_id;
    if (!given.dry_run && !ticks.empty()) {
        auto submitted = co_await rq.app.instance.submit(request_for(rq, given, schedule_id, *job, ticks));
        if (!submitted) co_return rq.refuse(submitted.error());
        made = std::move(*submitted);
        const auto what = fmt::format("{} to {}{}", to_rfc3339(ticks.front()), to_rfc3339(ticks.back()), given.reason.empty() ? "" : ": " + given.reason);
        const auto noted = co_await rq.app.instance.db().write([who = rq.caller, id = *job_id, what](storage::session& s) -> result<void> {
            storage::note_schedule_action(s, who, id, "BACKFILL", what);
            return {};
        });
        if (!noted) spdlog::warn("the backfill of {} by {} could not be noted: {}", *job_id, rq.caller.name, noted.error().detail);
    }
    auto answer = rq.reply(200);
    answer.body = answer_of(*job_id, schedule_id, given.dry_run, total, ticks, made, next_from);
    co_return answer;
}

}
