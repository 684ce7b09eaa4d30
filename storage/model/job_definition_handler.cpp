#include "storage/model/job_definition_parts.hpp"

#include <algorithm>
#include <array>
#include <boost/json/string.hpp>

namespace rowlock::definition {

namespace json = boost::json;

namespace {

bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// ---- sleep, fail

std::optional<handler_spec> read_sleep(json_fields& fields)
{
    if (!fields.has("seconds")) fields.require("seconds");
    const auto seconds = fields.seconds("seconds", milliseconds{0}, longest_duration);
    if (!seconds) return std::nullopt;
    return sleep_handler{*seconds};
}

fail_handler read_fail(json_fields& fields)
{
    fail_handler handler;
    if (auto code = fields.text("error_code", {1, 128})) handler.error_code = std::move(*code);
    if (auto message = fields.text("error_message", {0, 10'000})) handler.error_message = std::move(*message);
    if (const auto times = fields.integer("times", 0, 1'000'000)) handler.times = static_cast<int>(*times);
    return handler;
}

// ---- process

std::string refusal_of_variable(std::string_view name, std::string_view)
{
    const bool good = !name.empty() && name.size() <= 256 && !is_digit(name.front())
                      && std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
    if (!good) return "must have a name of letters, digits and '_' that does not begin with a digit";
    if (name.starts_with("ROWLOCK_")) return "must not begin with ROWLOCK_: those are set by Rowlock";
    return {};
}

process_handler read_process(json_fields& fields)
{
    // The kernel takes 128 KiB an argument.
    constexpr text_bounds argument{0, 100'000};
    process_handler handler;
    if (!fields.has("command")) fields.require("command");
    handler.command = fields.texts("command", {1, 1000, argument});
    const auto command = fields.find("command");
    const auto* list = command ? command.value->if_array() : nullptr;
    const auto* program = list && !list->empty() ? list->front().if_string() : nullptr;
    if (program && program->empty()) fields.errors().add(fields.path_of_member("command") + "[0]", &list->front(), "must name a program");
    handler.env = fields.text_map("env", 256, {0, 100'000}, refusal_of_variable);
    if (auto cwd = fields.text("cwd", {1, 4096})) {
        if (cwd->front() != '/') fields.refuse(fields.find("cwd"), "must be an absolute path; left out, each attempt gets a private directory");
        handler.cwd = std::move(*cwd);
    }
    handler.grace = fields.seconds("grace_seconds", milliseconds{0}, std::chrono::hours{1});
    if (const auto limit = fields.integer("output_limit_bytes", 0, most_output_bytes)) handler.output_limit_bytes = *limit;
    handler.memory_limit_bytes = fields.integer("memory_limit_bytes", 1 << 20, std::int64_t{1} << 50);
    handler.cpu_limit = fields.seconds("cpu_limit_seconds", milliseconds{1}, longest_duration);
    return handler;
}

}

std::optional<handler_spec> read_handler(json_fields& definition, const definition_defaults& defaults)
{
    if (!definition.has("handler")) {
        definition.require("handler");
        return std::nullopt;
    }
    std::optional<handler_spec> handler;
    const auto given = definition.find("handler");
    const auto* object = given.value->if_object();
    if (!object) {
        definition.refuse(given, "must be an object with a type");
        return std::nullopt;
    }
    json::object accepted;
    json_fields fields(*object, definition.path_of_member("handler"), definition.errors(), accepted);
    if (!fields.has("type")) fields.require("type");
    const auto type = read_choice(fields, "handler", "type", handler_type_names);
    if (!type) return std::nullopt;      // without its type there is no telling which of its other members are right
    if (*type == "noop") handler = noop_handler{};
    if (*type == "sleep") handler = read_sleep(fields);
    if (*type == "fail") handler = read_fail(fields);
    if (*type == "process") handler = read_process(fields);
    if (*type == "http") handler = read_http(fields);
    if (*type == "sql") handler = read_sql(fields);
    if (*type == "composite") handler = read_composite(fields, defaults);
    fields.refuse_rest();
    definition.accept("handler", std::move(accepted));
    return handler;
}

}
