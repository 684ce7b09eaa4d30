#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <fmt/format.h>
#include <memory>
#include <thread>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

constexpr std::size_t most_instances = 1000;

constexpr std::chrono::milliseconds between_looks{500};

struct drain_options {
    int id = 0;
    std::string reason;
    bool wait = false;
    int timeout_seconds = 0;                             // 0: for as long as it takes
};

colour colour_of_state(std::string_view state)
{
    if (state == "ALIVE") return colour::green;
    return state == "DEAD" ? colour::red : state == "GONE" ? colour::dim : colour::yellow;
}

target instance_target(int id)
{
    return target("/v1/instances").segment(std::to_string(id));
}

// region=eu,gpu=true
std::string labels_of(const json::value& instance)
{
    std::string text;
    const auto* labels = member_at(instance, "labels");
    const auto* members = labels ? labels->if_object() : nullptr;
    if (!members) return text;
    for (const auto& label : *members) {
        const auto* value = label.value().if_string();
        text += fmt::format("{}{}={}", text.empty() ? "" : ",", std::string(label.key()), value ? std::string(value->data(), value->size()) : std::string());
    }
    return text;
}

exit_code show_instance(context& c, const json::value& instance)
{
    if (!c.screen.human()) {
        c.screen.document(instance);
        return exit_code::success;
    }
    field_list shown;
    if (const json::object* members = instance.if_object()) {
        for (const auto& member : *members) {
            const std::string name{member.key()};
            const std::string text = name == "labels" ? labels_of(instance) : text_at(member.value(), "");
            if (text.empty() || text == "{}") continue;
            if (name == "state") shown.add(name, text, colour_of_state(text));
            else shown.add(name, name.ends_with("_time") || name == "lease_until" ? human_time(text) : text);
        }
    }
    c.screen.show(shown);
    return exit_code::success;
}

// Until nothing is left that it runs, or it is no instance that drains any more.
outcome_of<json::value> wait_until_drained(context& c, const drain_options& options, json::value instance)
{
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(options.timeout_seconds);
    std::string said;
    while (text_at(instance, "state") == "DRAINING") {
        if (options.timeout_seconds > 0 && std::chrono::steady_clock::now() >= until) break;
        if (auto running = text_at(instance, "running"); running != said) {
            c.screen.notice(fmt::format("instance {} still runs {}", options.id, running));
            said = std::move(running);
        }
        std::this_thread::sleep_for(between_looks);
        auto now = c.api().get(instance_target(options.id));
        if (!now) return now.error();
        instance = std::move(now->body);
    }
    return instance;
}

exit_code drain_instance(context& c, const drain_options& options)
{
    json::object body;
    if (!options.reason.empty()) body["reason"] = options.reason;
    auto asked = c.api().post(instance_target(options.id).segment("drain"), body);
    if (!asked) return c.fail(asked.error());
    auto instance = std::move(asked->body);
    if (options.wait) {
        auto waited = wait_until_drained(c, options, std::move(instance));
        if (!waited) return c.fail(waited.error());
        instance = std::move(*waited);
    }
    const std::string state = text_at(instance, "state");
    if (c.screen.human()) c.screen.line(fmt::format("instance {} is {}{}", options.id, state, state == "DRAINING" ? fmt::format(": it still runs {}", text_at(instance, "running")) : ""));
    else c.screen.document(instance);
    // One that has left has nothing either.
    return !options.wait || state == "DRAINED" || state == "GONE" ? exit_code::success : exit_code::execution_failed;
}

exit_code resume_instance(context& c, const drain_options& options)
{
    json::object body;
    if (!options.reason.empty()) body["reason"] = options.reason;
    const auto resumed = c.api().post(instance_target(options.id).segment("resume"), body);
    if (!resumed) return c.fail(resumed.error());
    if (!c.screen.human()) return show_instance(c, resumed->body);
    c.screen.line(fmt::format("instance {} is {}", options.id, text_at(resumed->body, "state")));
    return exit_code::success;
}

exit_code show_one(context& c, const drain_options& options)
{
    const auto found = c.api().get(instance_target(options.id));
    return found ? show_instance(c, found->body) : c.fail(found.error());
}

// What it is short of: "MEMORY, DISK".
std::string shortages_of(const json::value& instance)
{
    std::string words;
    const auto* resources = array_at(instance, "pressure.resources");
    if (!resources) return words;
    for (const json::value& one : *resources) words += (words.empty() ? "" : ", ") + text_at(one, "resource");
    return words;
}

exit_code list_instances(context& c)
{
    const auto instances = c.api().list(target("/v1/instances"), most_instances);
    if (!instances) return c.fail(instances.error());
    if (!c.screen.human()) {
        c.screen.document(*instances);
        return exit_code::success;
    }
    table shown({{"ID", true}, {"STATE"}, {"RUNNING", true}, {"SHORT OF", false, true}, {"HOST", false, true}, {"PID", true}, {"ADDRESS", false, true}, {"LABELS", false, true, true}, {"STARTED (UTC)", false, false, true},
                 {"VERSION", false, false, true}});
    for (const json::value& one : *array_at(*instances, "items")) {
        const std::string state = text_at(one, "state");
        shown.add({{text_at(one, "instance_id")}, {state, colour_of_state(state)}, {text_at(one, "running")}, {shortages_of(one), colour::yellow}, {text_at(one, "hostname")}, {text_at(one, "pid")},
                   {text_at(one, "address")}, {labels_of(one)}, {human_time(text_at(one, "started_time"))}, {text_at(one, "version")}});
    }
    c.screen.show(shown);
    return exit_code::success;
}

}

void add_instance(CLI::App& app, context& c)
{
    CLI::App* instance = app.add_subcommand("instance", "Instances of the server: list, show, drain, resume");
    instance->group("Operating");
    instance->require_subcommand(1);
    instance->footer("Examples:\n  rowlock instance list\n  rowlock instance drain 3 --wait --reason 'new kernel'\n  rowlock instance resume 3");
    CLI::App* list = instance->add_subcommand("list", "Every instance at the database, with its state, what it runs and what it is short of");
    list->footer("Example:\n  rowlock instance list --format json");
    list->callback([&c] { c.chosen = [&c] { return list_instances(c); }; });
    const auto options = std::make_shared<drain_options>();
    const auto add = [&](const char* name, const char* what, exit_code (*action)(context&, const drain_options&), const char* example) {
        CLI::App* verb = instance->add_subcommand(name, what);
        verb->footer(std::string{"Example:\n  rowlock instance "} + example);
        verb->add_option("ID", options->id, "Its number in `rowlock instance list`")->required()->check(CLI::PositiveNumber);
        verb->callback([&c, options, action] { c.chosen = [&c, options, action] { return action(c, *options); }; });
        return verb;
    };
    add("show", "Everything about one instance", show_one, "show 3");
    CLI::App* drain = add("drain", "Start nothing more there, and let what runs go on to its end; until `resume`, or a restart", drain_instance, "drain 3 --wait --timeout 600");
    drain->add_flag("--wait", options->wait, "Wait until nothing runs there any more; exit code 1 where that does not come true");
    drain->add_option("--timeout", options->timeout_seconds, "Of --wait, in seconds; 0: for as long as it takes")->check(CLI::NonNegativeNumber);
    CLI::App* resume = add("resume", "Let a drained instance start work again", resume_instance, "resume 3");
    resume->alias("undrain");
    for (CLI::App* verb : {drain, resume}) verb->add_option("--reason", options->reason, "Is kept in the history of the instance");
}

}
