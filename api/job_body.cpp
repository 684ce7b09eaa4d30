#include "api/job_body.hpp"

#include "api/job_diff.hpp"
#include "api/policy_checks.hpp"
#include "runtime/handlers/program.hpp"
#include "runtime/schedule/next_fire.hpp"
#include "runtime/schedule/plain_days.hpp"
#include "runtime/schedule/zone_database.hpp"
#include "storage/json_paths.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/json_fields.hpp"
#include "storage/model/placement.hpp"

#include <algorithm>
#include <boost/json/string.hpp>
#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace rowlock::api {

namespace json = boost::json;

namespace {

std::optional<bool> enabled_in(const json::object& body)
{
    const auto* v = body.if_contains("enabled");
    const auto* flag = v ? v->if_bool() : nullptr;
    return flag ? std::optional(*flag) : std::nullopt;
}

std::string text_in(const json::object& body, std::string_view name)
{
    const auto* v = body.if_contains(name);
    const auto* text = v ? v->if_string() : nullptr;
    return text ? std::string(text->data(), text->size()) : std::string();
}

// A definition stands in its tenant by the caller alone: one that says otherwise would go where its author did not mean it to.
std::vector<field_error> refused_here(const request_context& rq, const json::object& body, const std::string& job_id)
{
    std::vector<field_error> refused;
    const std::string tenant_id = text_in(body, "tenant_id");
    if (is_slug(tenant_id) && tenant_id != rq.caller.tenant_id) {
        refused.push_back({"tenant_id", to_text(json::string(tenant_id)),
                           fmt::format("is not the tenant of this request, {}; leave it out, or choose the tenant with X-Rowlock-Tenant", rq.caller.tenant_id)});
    }
    if (job_id.starts_with(storage::inline_job_prefix)) {
        refused.push_back({"job_id", to_text(json::string(job_id)), fmt::format("must not begin with {}: such jobs are those of inline nodes of plans", storage::inline_job_prefix)});
    }
    for (const auto& [field, name] : zones_named_in(body)) {
        const auto known = rq.app.instance.zones().find(name);
        if (!known) refused.push_back({field, to_text(json::string(name)), known.error().detail, {}, errc::invalid_timezone});
    }
    return refused;
}

// Where its fields are good each by itself: a schedule that can never fire in its zone.
void refuse_idle_schedule(const request_context& rq, const job_definition& definition, std::vector<field_error>& refused)
{
    if (!definition.schedule || !refused.empty()) return;
    const auto compiled = runtime::compile(*definition.schedule, rq.app.instance.zones(), wall_clock());
    if (compiled) return;
    for (auto one : compiled.error().fields) {
        one.field = path_of("schedule", one.field);
        refused.push_back(std::move(one));
    }
}

void warn_of_connection(const std::string& asked, std::string_view what_follows, const std::vector<std::string>& known, std::vector<std::string>& warnings)
{
    if (std::find(known.begin(), known.end(), asked) != known.end()) return;
    warnings.push_back(fmt::format("There is no connection {} here: {} until SQL_CONNECTIONS has it; it {}.", asked, what_follows,
                                   known.empty() ? std::string("is empty") : fmt::format("has {}", fmt::join(known, ", "))));
}

// What this instance cannot read or check.
void warn_of_triggers(const job_definition& definition, const std::vector<std::string>& connections, std::vector<std::string>& warnings)
{
    for (const auto& trigger : definition.triggers) {
        const auto what_follows = fmt::format("the trigger {} reads nothing", trigger.trigger_id);
        if (trigger.table) warn_of_connection(trigger.table->connection, what_follows, connections, warnings);
        if (trigger.channel) warn_of_connection(trigger.channel->connection, what_follows, connections, warnings);
        if (!trigger.secret_env.empty() && std::getenv(trigger.secret_env.c_str()) == nullptr) {
            warnings.push_back(fmt::format("The environment of this server has no {}: calls of the webhook {} are refused until each server is started with it.",
                                           trigger.secret_env, trigger.trigger_id));
        }
    }
}

// Nobody could run it.
std::string warning_of_placement(const job_definition& definition, int alive)
{
    const auto labels = label_text(labels_wanted(definition.document));
    std::string wanted = labels.empty() ? std::string() : fmt::format("the labels {}", labels);
    if (definition.limits.request.any()) wanted += fmt::format("{}as much of each resource as one execution asks for", wanted.empty() ? "" : " and ");
    return fmt::format("Of the {} live instances none has {}: executions wait until there is one. INSTANCE_LABELS and the settings INSTANCE_CPU_CORES, INSTANCE_MEMORY_MB, ... say what an "
                       "instance has.", alive, wanted);
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

struct placed_path {
    std::string field;
    std::string path;
};

void add_paths(std::vector<placed_path>& all, const job_definition& definition, const std::string& place)
{
    for (const auto& each : definition.paths) all.push_back({place.empty() ? each.field : fmt::format("{}.{}", place, each.field), each.path});
    if (const auto* composite = std::get_if<composite_handler>(&definition.handler)) {
        for (const auto& each : composite->paths) all.push_back({fmt::format("{}.{}", path_of(path_of(place, "handler"), "plan"), each.field), each.path});
    }
    const auto* calls = std::get_if<http_handler>(&definition.handler);
    if (!calls) return;
    const std::pair<const char*, const std::string*> members[] = {{"success", &calls->success}, {"failure", &calls->failure}, {"progress", &calls->progress}};
    for (const auto& [name, path] : members) {
        if (!path->empty()) all.push_back({path_of(path_of(place, "handler"), name), *path});
    }
}

// With `enabled`, which is of the job and not of its definition, and of interest in a difference all the same.
json::value comparable(json::object document, bool enabled)
{
    document["enabled"] = enabled;
    return document;
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

}

result<storage::job_change> read_job_change(const request_context& rq, const json::object& given, std::string_view path_id)
{
    const auto with_times = runtime::definition_with_days_as_times(given, rq.app.instance.zones(), rq.app.instance.jobs().defaults().timezone);
    const json::object& body = with_times ? *with_times : given;
    auto definition = parse_job_definition(body, path_id, rq.app.instance.jobs().defaults());
    auto refused = refused_here(rq, body, path_id.empty() ? text_in(body, "job_id") : std::string(path_id));
    if (definition) refuse_idle_schedule(rq, *definition, refused);
    if (definition && refused.empty()) return storage::job_change{std::move(*definition), enabled_in(body), text_in(body, "reason"), {}, {}};
    error why = definition ? error{errc::invalid_request, fmt::format("The definition is refused: {} {}.", refused.front().field, refused.front().message), {}, {}}
                           : std::move(definition).error();
    for (auto& one : refused) why.fields.push_back(std::move(one));
    if (why.code != errc::dependency_cycle) why.code = common_kind(why.fields);
    if (why.fields.size() > 1) why.detail = fmt::format("The definition has {} errors: see `errors` for each.", why.fields.size());
    return why;
}

runtime::awaitable<result<void>> check_paths(request_context& rq, const std::vector<storage::job_change>& changes, bool in_a_list)
{
    std::vector<placed_path> paths;
    for (std::size_t i = 0; i < changes.size(); ++i) add_paths(paths, changes[i].definition, in_a_list ? path_of("jobs", i) : std::string());
    if (paths.empty()) co_return result<void>{};
    const auto refused = co_await rq.app.instance.db().read([paths = std::move(paths)](storage::session& s) -> result<std::vector<field_error>> {
        std::vector<field_error> bad;
        for (const auto& [field, path] : paths) {
            if (const auto why = storage::refusal_of_path(s, path)) bad.push_back({field, to_text(json::string(path)), fmt::format("is no SQL/JSON path: {}", *why)});
        }
        return bad;
    });
    if (!refused) co_return refused.error();
    if (refused->empty()) co_return result<void>{};
    co_return error{errc::invalid_request, fmt::format("What is to be stored is refused: {} {}.", refused->front().field, refused->front().message), *refused};
}

std::vector<std::string> warnings_of(const job_definition& definition, const storage::put_job& made, const request_context& rq)
{
    const server_options& here = rq.app.options;
    auto warnings = policy_warnings(rq, definition);
    for (const auto& upstream : made.missing) {
        warnings.push_back(fmt::format("There is no job {}, and this one depends on it: it is not started before that is defined and has ended (DEP_001_MISSING_UPSTREAM).", upstream));
    }
    if (made.able && made.able->able == 0) warnings.push_back(warning_of_placement(definition, made.able->alive));
    const auto& process = here.process;
    if (const auto* calls = std::get_if<http_handler>(&definition.handler); calls && calls->completion == http_completion::webhook) warn_of_webhook(definition, *calls, warnings);
    if (const auto* asks = std::get_if<sql_handler>(&definition.handler)) warn_of_connection(asks->connection, "executions will fail with INVALID_CONFIG", here.sql_connections, warnings);
    warn_of_triggers(definition, here.sql_connections, warnings);
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

void append_texts(std::string& out, const std::vector<std::string>& texts)
{
    out.push_back('[');
    for (std::size_t i = 0; i < texts.size(); ++i) {
        if (i > 0) out.push_back(',');
        append_string(out, texts[i]);
    }
    out.push_back(']');
}

void append_diff(std::string& out, const storage::put_job& made, const job_definition& definition)
{
    json::value before;
    if (!made.created) {
        const auto parsed = parse_json(made.before);
        if (parsed && parsed->is_object()) before = comparable(parsed->get_object(), made.was_enabled);
    }
    append_changes(out, differences(before, comparable(definition.document, made.enabled)));
}

void append_diff(std::string& out, std::string_view before, std::string_view after)
{
    const auto was = parse_json(before.empty() ? "null" : before);
    const auto is = parse_json(after);
    append_changes(out, differences(was ? *was : json::value(), is ? *is : json::value()));
}

}
