#include "api/job_body.hpp"
#include "api/read_answers.hpp"
#include "api/routes.hpp"
#include "storage/job_store.hpp"

#include <charconv>
#include <fmt/format.h>
#include <limits>

namespace rowlock::api {

namespace {

using found_document = result<std::optional<storage::job_document>>;

error no_job(std::string_view job_id)
{
    return {errc::job_not_found, fmt::format("There is no job {}.", job_id)};
}

bool is_etag_of(std::string_view list, std::string_view etag)
{
    return list == "*" || list.find(etag) != std::string_view::npos;
}

response show_job(request_context& rq, const storage::job_document& job)
{
    const auto known = rq.rq.header("If-None-Match");
    auto answer = rq.reply(known && is_etag_of(*known, job.etag) ? 304 : 200);
    answer.add_header("ETag", job.etag);
    if (answer.status == 200) answer.body.append(job.json);
    return answer;
}

}

// GET /v1/jobs: 200, 422. By job_id.
runtime::awaitable<response> list_jobs(request_context& rq)
{
    co_return co_await show_by_name(rq, &storage::list_jobs_json);
}

// GET /v1/jobs/{job_id}: 200 with ETag, 304, 404.
runtime::awaitable<response> get_job(request_context& rq)
{
    const auto job_id = rq.bare_slug("job_id");
    if (!job_id) co_return rq.refuse(job_id.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, job_id = *job_id](storage::session& s) -> found_document {
        return storage::find_job_json(s, tenant, job_id);
    });
    if (!found) co_return rq.refuse(found.error());
    if (!*found) co_return rq.refuse(no_job(*job_id));
    co_return show_job(rq, **found);
}

// GET /v1/jobs/{job_id}/versions: 200, 404, 422. Newest first.
runtime::awaitable<response> list_job_versions(request_context& rq)
{
    query_reader query(rq.rq.query());
    const int limit = query.limit();
    const std::string cursor = query.version_cursor();
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto job_id = rq.slug_of("job_id");
    if (!job_id) co_return rq.refuse(job_id.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, job_id = *job_id, limit, cursor](storage::session& s) -> result<storage::page> {
        return storage::list_job_versions_json(s, tenant, job_id, limit, cursor);
    });
    co_return show_versions(rq, found, cursor, no_job(*job_id));
}

// GET /v1/jobs/{job_id}/versions/{version}: 200 with ETag, 304, 404. A version never changes.
runtime::awaitable<response> get_job_version(request_context& rq)
{
    const auto job_id = rq.bare_slug("job_id");
    if (!job_id) co_return rq.refuse(job_id.error());
    const auto text = rq.path["version"];
    int version = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), version);
    const error missing{errc::job_version_not_found, fmt::format("The job {} has no version {}.", *job_id, text)};
    if (ec != std::errc() || end != text.data() + text.size() || version < 1) co_return rq.refuse(missing);
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, job_id = *job_id, version](storage::session& s) -> result<std::optional<std::string>> {
        return storage::find_job_version_json(s, tenant, job_id, version);
    });
    if (!found) co_return rq.refuse(found.error());
    if (!*found) co_return rq.refuse(missing);
    co_return show_job(rq, {**found, fmt::format("\"{}\"", version)});
}

// GET /v1/jobs/{job_id}/diff: 200, 404, 422. ?from= and ?to=: versions; left out: the one before `to`, and the current one.
runtime::awaitable<response> diff_job(request_context& rq)
{
    constexpr std::int64_t last = std::numeric_limits<std::int32_t>::max();
    query_reader query(rq.rq.query());
    const int from = static_cast<int>(query.integer("from", 1, last).value_or(0));
    const int to = static_cast<int>(query.integer("to", 1, last).value_or(0));
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto job_id = rq.slug_of("job_id");
    if (!job_id) co_return rq.refuse(job_id.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, job_id = *job_id, from, to](storage::session& s) -> result<std::optional<storage::two_versions>> {
        return storage::find_two_versions(s, tenant, job_id, from, to);
    });
    if (!found) co_return rq.refuse(found.error());
    if (!*found) co_return rq.refuse(no_job(*job_id));
    const auto& both = **found;
    error missing{errc::job_version_not_found, fmt::format("The job {} has no such version.", *job_id), {}, {}};
    if (both.after.empty()) missing.fields.push_back({"to", std::to_string(both.to), "is no version of the job"});
    if (both.before.empty() && from != 0) missing.fields.push_back({"from", std::to_string(from), "is no version of the job"});
    if (!missing.fields.empty()) co_return rq.refuse(missing);
    auto answer = rq.reply(200);
    const std::string before = both.before.empty() ? "null" : std::to_string(both.from);      // the first version differs from nothing
    fmt::format_to(std::back_inserter(answer.body), R"({{"job_id":"{}","from":{},"to":{},"diff":)", *job_id, before, both.to);
    append_diff(answer.body, both.before, both.after);
    answer.body.push_back('}');
    co_return answer;
}

}
