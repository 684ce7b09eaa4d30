#include "ops/cli/json_read.hpp"
#include "ops/cli/show_things.hpp"
#include "ops/cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

struct limit_options {
    std::string kind;
    std::string key;
    std::optional<std::int64_t> max_running;
    std::string on_limit;
    std::optional<std::int64_t> starts;
    std::optional<double> per_seconds;
    std::optional<double> cpu_cores;
    std::optional<std::int64_t> memory_mb;
    std::optional<std::int64_t> disk_mb;
    std::optional<std::int64_t> network_bandwidth_mbps;
};

target limit_target(const limit_options& options)
{
    return target("/v1/limits").segment(options.kind).segment(options.key);
}

template <class T>
void put_member(json::object& into, const char* name, const std::optional<T>& value)
{
    if (value) into[name] = *value;
}

json::object body_of(const limit_options& options)
{
    json::object body;
    put_member(body, "max_running", options.max_running);
    if (!options.on_limit.empty()) body["on_limit"] = options.on_limit;
    json::object rate;
    put_member(rate, "starts", options.starts);
    put_member(rate, "per_seconds", options.per_seconds);
    if (!rate.empty()) body["rate_limit"] = std::move(rate);
    json::object resources;
    put_member(resources, "cpu_cores", options.cpu_cores);
    put_member(resources, "memory_mb", options.memory_mb);
    put_member(resources, "disk_mb", options.disk_mb);
    put_member(resources, "network_bandwidth_mbps", options.network_bandwidth_mbps);
    if (!resources.empty()) body["resources"] = std::move(resources);
    return body;
}

std::string text_or(const json::value& one, std::string_view member, std::string_view otherwise)
{
    auto text = text_at(one, member);
    return text.empty() ? std::string(otherwise) : text;
}

// "5 in 10 s", "-"
std::string rate_text(const json::value& limit)
{
    const auto starts = text_at(limit, "rate_limit.starts");
    return starts.empty() ? "-" : fmt::format("{} in {} s", starts, text_at(limit, "rate_limit.per_seconds"));
}

// "memory_mb 200/1000, ...", "-"
std::string resources_text(const json::value& limit)
{
    std::string text;
    const auto* resources = member_at(limit, "resources");
    if (resources && resources->is_object()) {
        for (const auto& each : resources->get_object()) {
            text += fmt::format("{}{} {}/{}", text.empty() ? "" : ", ", std::string(each.key()), text_at(each.value(), "in_use"), text_at(each.value(), "capacity"));
        }
    }
    return text.empty() ? "-" : text;
}

exit_code show_limits(context& c, const json::array& limits)
{
    table shown({{"KIND"}, {"KEY", false, true}, {"TENANT", false, true, true}, {"IN USE", true}, {"MAX", true}, {"ON LIMIT"}, {"STARTS"}, {"RESOURCES", false, false, true}});
    for (const json::value& one : limits) {
        shown.add({{text_at(one, "kind")}, {text_at(one, "key")}, {text_or(one, "tenant_id", "all")}, {text_at(one, "in_use")}, {text_or(one, "max_running", "-")},
                   {text_at(one, "on_limit")}, {rate_text(one)}, {resources_text(one)}});
    }
    c.screen.show(shown);
    return exit_code::success;
}

exit_code list_limits(context& c, const limit_options&)
{
    return list_things(c, target("/v1/limits"), show_limits);
}

exit_code show_limit(context& c, const limit_options& options)
{
    return show_thing(c, c.api().get(limit_target(options)), show_limits);
}

exit_code set_limit(context& c, const limit_options& options)
{
    return show_thing(c, c.api().put(limit_target(options), body_of(options)), show_limits);
}

exit_code remove_limit(context& c, const limit_options& options)
{
    const auto removed = c.api().remove(limit_target(options));
    if (!removed) return c.fail(removed.error());
    if (c.screen.human()) c.screen.line(fmt::format("{} {} has no limit of its own any more", options.kind, options.key));
    else c.screen.document(json::object{{"kind", options.kind}, {"key", options.key}, {"removed", true}});
    return exit_code::success;
}

void add_name(CLI::App* verb, const std::shared_ptr<limit_options>& options)
{
    verb->add_option("KIND", options->kind, "global, job, job_type, tenant or pool")->required();
    verb->add_option("KEY", options->key, "A job_id, a job type, a tenant_id, the name of a pool; of global: all")->required();
}

}

void add_limit(CLI::App& app, context& c)
{
    CLI::App* limit = app.add_subcommand("limit", "Limits on what runs and starts: list, show, set, remove");
    limit->group("Operating");
    limit->require_subcommand(1);
    limit->footer("Examples:\n  rowlock limit list\n  rowlock limit set job ingest --max-running 3\n  rowlock limit set pool gpu --max-running 8 --memory-mb 65536");
    const auto options = std::make_shared<limit_options>();
    const auto add = [&](const char* name, const char* what, exit_code (*action)(context&, const limit_options&), const char* example) {
        CLI::App* verb = limit->add_subcommand(name, what);
        verb->footer(std::string{"Example:\n  rowlock limit "} + example);
        verb->callback([&c, options, action] { c.chosen = [&c, options, action] { return action(c, *options); }; });
        return verb;
    };
    add("list", "Every limit that is in force, with what is in use", list_limits, "list --format json");
    add_name(add("show", "One limit", show_limit, "show pool gpu"), options);
    CLI::App* set = add("set", "Set a limit; what runs already is counted, and may end", set_limit, "set global all --max-running 200 --on-limit REJECT");
    add_name(set, options);
    set->add_option("--max-running", options->max_running, "At most so many run at once; 0: none starts");
    set->add_option("--on-limit", options->on_limit, "What becomes of a submission when it is reached: QUEUE (default) or REJECT");
    set->add_option("--starts", options->starts, "At most so many start ...");
    set->add_option("--per-seconds", options->per_seconds, "... in any span of so many seconds");
    set->add_option("--cpu-cores", options->cpu_cores, "Of a pool: the cores that its executions share, by what they ask for");
    set->add_option("--memory-mb", options->memory_mb, "Of a pool: memory");
    set->add_option("--disk-mb", options->disk_mb, "Of a pool: disk space");
    set->add_option("--network-bandwidth-mbps", options->network_bandwidth_mbps, "Of a pool: bandwidth");
    add_name(add("remove", "Remove a limit that was set; what definitions ask for stays", remove_limit, "remove job ingest"), options);
}

}
