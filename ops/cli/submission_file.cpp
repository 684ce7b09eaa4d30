#include "ops/cli/submission_file.hpp"

#include "ops/cli/parameters.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <optional>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

constexpr std::size_t largest_file = 1u << 30;
constexpr std::size_t most_complaints = 20;
constexpr std::string_view batch_prefix = "executions[";

json::object laid_over(const json::object& request, json::object&& own)
{
    json::object item = request;
    for (auto& member : own) {
        json::object* below = item[member.key()].if_object();
        json::object* above = member.key() == "parameters" ? member.value().if_object() : nullptr;
        if (!below || !above) {
            item[member.key()] = std::move(member.value());
            continue;
        }
        for (auto& parameter : *above) (*below)[parameter.key()] = std::move(parameter.value());
    }
    return item;
}

// Reads the N of "executions[N]..." and leaves what follows it in `rest`.
std::optional<std::size_t> item_of(std::string_view field, std::string_view& rest)
{
    if (!field.starts_with(batch_prefix)) return std::nullopt;
    field.remove_prefix(batch_prefix.size());
    std::size_t index = 0;
    const auto [end, failed] = std::from_chars(field.data(), field.data() + field.size(), index);
    if (failed != std::errc{} || end == field.data() + field.size() || *end != ']') return std::nullopt;
    rest = field.substr(static_cast<std::size_t>(end - field.data()) + 1);
    if (rest.starts_with('.')) rest.remove_prefix(1);
    return index;
}

}

outcome_of<submission_file> parse_submissions(std::string name, std::string_view text, const json::object& request, const std::string& key)
{
    submission_file file{std::move(name)};
    refusal refused = bad_input(fmt::format("{} has lines that are no submissions", file.name));
    for (std::size_t line = 1; !text.empty() && refused.fields.size() < most_complaints; ++line) {
        const std::string_view one = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(one.size() + 1, text.size()));
        if (one.find_first_not_of(" \t\r") == std::string_view::npos) continue;
        auto value = parse_json(one);
        if (!value || !value->is_object()) {
            refused.fields.push_back({fmt::format("{}:{}", file.name, line), {}, value ? "must be a JSON object, as in {\"parameters\": {\"n\": 1}}" : value.error().detail});
            continue;
        }
        json::object item = laid_over(request, std::move(value->get_object()));
        json::value& own_key = item["idempotency_key"];
        if (own_key.is_null()) own_key = fmt::format("{}/{}", key, line);
        file.items.push_back(std::move(item));
        file.lines.push_back(line);
    }
    if (!refused.fields.empty()) return refused;
    return file;
}

outcome_of<submission_file> read_submissions(const std::string& path, const json::object& request, const std::string& key)
{
    const auto text = read_text_file(path, largest_file);
    if (!text) return text.error();
    return parse_submissions(path == "-" ? "stdin" : path, *text, request, key);
}

refusal in_lines(refusal of_batch, const submission_file& file, std::size_t first)
{
    for (auto& field : of_batch.fields) {
        std::string_view rest;
        const auto index = item_of(field.field, rest);
        if (!index || first + *index >= file.lines.size()) continue;
        field.field = fmt::format("{}:{}{}{}", file.name, file.lines[first + *index], rest.empty() ? "" : ": ", rest);
    }
    return of_batch;
}

}
