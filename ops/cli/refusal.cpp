#include "ops/cli/refusal.hpp"

#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "storage/model/json_text.hpp"

#include <boost/json/array.hpp>
#include <fmt/format.h>
#include <stdexcept>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

constexpr std::size_t longest_value = 120;
constexpr std::size_t longest_foreign_text = 200;

}

refusal bad_input(std::string message)
{
    return {exit_code::configuration, std::move(message)};
}

refusal odd_reply(std::string message)
{
    return {exit_code::protocol, "The server's answer makes no sense", std::move(message)};
}

refusal refusal_of_reply(int status, std::string_view content_type, std::string_view body, std::string_view retry_after)
{
    refusal made{exit_code_of_status(status), fmt::format("HTTP {}", status)};
    const auto problem = parse_json(body);
    if (!problem || !problem->is_object() || content_type.find("json") == std::string_view::npos) {
        made.code = status == 401 || status == 403 ? exit_code::security : exit_code::protocol;
        made.detail = shorten(printable(body.substr(0, body.find('\n'))), longest_foreign_text, false);
        return made;
    }
    std::string title = text_at(*problem, "title");
    made.detail = text_at(*problem, "detail");
    if (made.detail == title) made.detail.clear();
    if (title.ends_with('.')) title.pop_back();
    const std::string code = text_at(*problem, "code");
    made.title = fmt::format("{} ({}{}{})", title.empty() ? "Refused" : title, status, code.empty() ? "" : " ", code);
    if (!retry_after.empty()) made.detail += fmt::format("{}Try again in {} s.", made.detail.empty() ? "" : " ", retry_after);
    if (const json::array* errors = array_at(*problem, "errors")) {
        for (const json::value& one : *errors) {
            const json::value* value = member_at(one, "value");
            made.fields.push_back({text_at(one, "field"), value && !value->is_null() ? to_text(*value) : "", text_at(one, "message")});
        }
    }
    return made;
}

std::string field_line(const field_error& field)
{
    std::string line = field.field.empty() ? field.message : fmt::format("{}: {}", field.field, field.message);
    if (!field.value.empty()) line += fmt::format(" ({})", shorten(field.value, longest_value, false));
    return printable(line);
}

void throw_exception_from_error(const refusal& r, const boost::source_location&)
{
    throw std::logic_error("a refusal was taken for a value: " + r.title);
}

}
