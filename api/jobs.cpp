#include "api/job_diff.hpp"
#include "api/routes.hpp"
#include "runtime/handlers/program.hpp"
#include "storage/job_store.hpp"
#include "storage/json_paths.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace rowlock::api {

namespace {

using found_document = result<std::optional<storage::job_document>>;

error no_job(std::string_view job_id)
{
    return {errc::job_not_found, fmt::format("There is no job {}.", job_id)};
}

result<std::string> only_slug(const request_context& rq, std::string_view name)
{
    query_reader query(rq.rq.query());
    if (auto refused = query.finish(); !refused) return std::move(refused).error();
    return rq.slug_of(name);
}

// What may not be meant by an http job that its target ends.
void warn_of_webhook(const job_definition& definition, const http_handler& calls, std::vector<std::string>& warnings)
{
    if (!definition.timeout) warnings.emplace_back("An execution waits for its target's report for as long as it takes: give timeout_seconds, or nothing ends one whose target forgets it.");
    auto told = calls.body ? to_text(*calls.body) : std::string();
    for (const auto& [name, value] : calls.headers) told += value;
    const bool contract_body = !calls.body && calls.method != "GET" && calls.method != "HEAD";
    if (!contract_body && told.find("callback.secret") == std::string::npos) {
        warnings.emplace_back("The target cannot report: neither the body nor a header holds {{ callback.secret }}, with which it is to sign.");
    }
}

// What will not work on this instance although the definition is right.
std::vector<std::string> warnings_of(const job_definition& definition, const runtime::process_options& process)
{
    std::vector<std::string> warnings;
    if (const auto* calls = std::get_if<http_handler>(&definition.handler); calls && calls->completion == http_completion::webhook) warn_of_webhook(definition, *calls, warnings);
    const auto* runs = std::get_if<process_handler>(&definition.handler);
    if (!runs) return warnings;
    if (!process.enabled) {
        warnings.emplace_back("Process handlers are switched off here: executions will fail with PERMISSION_DENIED until PROCESS_HANDLER_ENABLED is true.");
        return warnings;
    }
    // A relative word without a directory is looked for in the attempt's own directory, which is not there yet.
    const bool known_directory = !runs->cwd.empty() || runs->command.front().starts_with('/') || runs->command.front().find('/') == std::string::npos;
    if (!known_directory) return warnings;
    const auto program = runtime::find_program(runs->command.front(), runs->cwd, runtime::search_path(), process);
    if (!program) warnings.push_back(fmt::format("Executions will fail with {}: {}", program.error().code, program.error().message));
    return warnings;
}

// The job with a last member, `warnings`.
void append_with_warnings(std::string& out, std::string_view job_json, const std::vector<std::string>& warnings)
{
    out.append(job_json.substr(0, job_json.rfind('}')));
    out.append(",\"warnings\":[");
    for (std::size_t i = 0; i < warnings.size(); ++i) {
        if (i > 0) out.push_back(',');
        append_string(out, warnings[i]);
    }
    out.append("]}");
}

void append_changes(std::string& out, const std::vector<change>& changes)
{
    out.push_back('[');
    for (std::size_t i = 0; i < changes.size(); ++i) {
        const auto& c = changes[i];
        out.append(i > 0 ? ",{\"field\":" : "{\"field\":");
        append_string(out, c.field);
        out.append(",\"before\":").append(c.before.empty() ? "null" : c.before);
        out.append(",\"after\":").append(c.after.empty() ? "null" : c.after).push_back('}');
    }
    out.push_back(']');
}

runtime::awaitable<found_document> read_job(request_context& rq, std::string job_id)
{
    const auto tenant = rq.caller.tenant;
    co_return co_await rq.app.instance.db().read([tenant, job_id = std::move(job_id)](storage::session& s) -> found_document {
        return storage::find_job_json(s, tenant, job_id);
    });
}

// Whether the SQL/JSON paths of a definition are some, which only the database can say. Errors: invalid_request, database_unavailable.
runtime::awaitable<result<void>> check_paths(request_context& rq, const job_definition& definition)
{
    const auto* calls = std::get_if<http_handler>(&definition.handler);
    if (!calls || (calls->success.empty() && calls->failure.empty() && calls->progress.empty())) co_return result<void>{};
    std::vector<std::pair<std::string, std::string>> paths{{"success", calls->success}, {"failure", calls->failure}, {"progress", calls->progress}};
    const auto checked = co_await rq.app.instance.db().read([paths = std::move(paths)](storage::session& s) -> result<std::vector<field_error>> {
        std::vector<field_error> refused;
        for (const auto& [name, path] : paths) {
            const auto why = path.empty() ? std::nullopt : storage::refusal_of_path(s, path);
            if (why) refused.push_back({"handler." + name, to_text(boost::json::string(path)), fmt::format("is no SQL/JSON path: {}", *why)});
        }
        return refused;
    });
    if (!checked) co_return checked.error();
    if (checked->empty()) co_return result<void>{};
    co_return error{errc::invalid_request, fmt::format("The definition of job {} is refused: {} {}.", definition.job_id, checked->front().field, checked->front().message), *checked};
}

std::optional<bool> enabled_in(const boost::json::object& body)
{
    const auto* v = body.if_contains("enabled");
    const auto* flag = v ? v->if_bool() : nullptr;
    return flag ? std::optional(*flag) : std::nullopt;
}

std::string reason_in(const boost::json::object& body)
{
    const auto* v = body.if_contains("reason");
    const auto* text = v ? v->if_string() : nullptr;
    return text ? std::string(text->data(), text->size()) : std::string();
}

runtime::awaitable<response> rehearse(request_context& rq, const job_definition& definition, const storage::put_job& would)
{
    auto now = co_await read_job(rq, definition.job_id);
    if (!now) co_return rq.refuse(now.error());
    const auto before = parse_json(*now ? (*now)->json : "null");
    const auto after = parse_json(would.job_json);
    auto answer = rq.reply(200);
    fmt::format_to(std::back_inserter(answer.body), R"({{"dry_run":true,"created":{},"changed":{},"version":{},"diff":)", would.created, would.changed, would.version);
    append_changes(answer.body, differences(before ? *before : boost::json::value(), after ? *after : boost::json::value()));
    answer.body.append(",\"job\":");
    append_with_warnings(answer.body, would.job_json, warnings_of(definition, rq.app.options.process));
    answer.body.push_back('}');
    co_return answer;
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

runtime::awaitable<response> switch_job(request_context& rq, bool enabled)
{
    const auto job_id = only_slug(rq, "job_id");
    if (!job_id) co_return rq.refuse(job_id.error());
    const auto body = rq.body(true);
    if (!body) co_return rq.refuse(body.error());
    if (!(*body)->empty()) {
        error refused{errc::invalid_request, "This action takes no fields.", {}, {}};
        for (const auto& member : **body) refused.fields.push_back({std::string(member.key()), to_text(member.value()), "is not a known field; leave it out"});
        co_return rq.refuse(refused);
    }
    const auto changed = co_await rq.app.instance.jobs().set_enabled(rq.caller, *job_id, enabled);
    if (!changed) co_return rq.refuse(changed.error());
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
    auto& jobs = rq.app.instance.jobs();
    auto definition = parse_job_definition(**body, *job_id, jobs.defaults());
    if (!definition) co_return rq.refuse(definition.error());
    if (const auto good = co_await check_paths(rq, *definition); !good) co_return rq.refuse(good.error());

    const auto stored = co_await jobs.put(rq.caller, *definition, enabled_in(**body), reason_in(**body), std::string(rq.rq.header("If-Match").value_or("")), dry_run);
    if (!stored) co_return rq.refuse(stored.error());
    if (dry_run) co_return co_await rehearse(rq, *definition, *stored);
    auto answer = rq.reply(stored->created ? 201 : 200);
    answer.add_header("ETag", stored->etag);
    if (stored->created) answer.add_header("Location", "/v1/jobs/" + *job_id);
    append_with_warnings(answer.body, stored->job_json, warnings_of(*definition, rq.app.options.process));
    co_return answer;
}

// GET /v1/jobs: 200, 422. By job_id.
runtime::awaitable<response> list_jobs(request_context& rq)
{
    query_reader query(rq.rq.query());
    const int limit = query.limit();
    const std::string cursor = query.name_cursor();
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, limit, cursor](storage::session& s) -> result<storage::page> {
        return storage::list_jobs_json(s, tenant, limit, cursor);
    });
    if (!found) co_return rq.refuse(found.error());
    auto answer = rq.reply(200);
    append_page(answer.body, found->items, found->next);
    co_return answer;
}

// GET /v1/jobs/{job_id}: 200 with ETag, 304, 404.
runtime::awaitable<response> get_job(request_context& rq)
{
    const auto job_id = only_slug(rq, "job_id");
    if (!job_id) co_return rq.refuse(job_id.error());
    const auto found = co_await read_job(rq, *job_id);
    if (!found) co_return rq.refuse(found.error());
    if (!*found) co_return rq.refuse(no_job(*job_id));
    co_return show_job(rq, **found);
}

// GET /v1/jobs/{job_id}/versions: 200, 404, 422. Newest first.
runtime::awaitable<response> list_job_versions(request_context& rq)
{
    query_reader query(rq.rq.query());
    const int limit = query.limit();
    const std::string cursor = query.cursor();
    const bool is_version = cursor.size() <= 9 && cursor.find_first_not_of("0123456789") == std::string::npos;
    if (!is_version) query.refuse("cursor", cursor, "is not a cursor of this list");
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto job_id = rq.slug_of("job_id");
    if (!job_id) co_return rq.refuse(job_id.error());
    const auto tenant = rq.caller.tenant;
    const auto found = co_await rq.app.instance.db().read([tenant, job_id = *job_id, limit, cursor](storage::session& s) -> result<storage::page> {
        return storage::list_job_versions_json(s, tenant, job_id, limit, cursor);
    });
    if (!found) co_return rq.refuse(found.error());
    // Every job has a version, so a first page without one is that of no job.
    if (found->items.empty() && cursor.empty()) co_return rq.refuse(no_job(*job_id));
    auto answer = rq.reply(200);
    append_page(answer.body, found->items, found->next);
    co_return answer;
}

// GET /v1/jobs/{job_id}/versions/{version}: 200 with ETag, 304, 404. A version never changes.
runtime::awaitable<response> get_job_version(request_context& rq)
{
    const auto job_id = only_slug(rq, "job_id");
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

// POST /v1/jobs/{job_id}/enable and /disable: 200 with the job, 404.
runtime::awaitable<response> enable_job(request_context& rq)
{
    co_return co_await switch_job(rq, true);
}

runtime::awaitable<response> disable_job(request_context& rq)
{
    co_return co_await switch_job(rq, false);
}

}
