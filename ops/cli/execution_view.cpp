#include "ops/cli/execution_view.hpp"

#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "storage/model/execution.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

// Below this width the date loses its year, which leaves the whole id its place in 80 columns.
constexpr int roomy = 100;
constexpr std::size_t length_of_year = 5;

bool has_content(const json::value& value)
{
    if (value.is_null()) return false;
    if (const json::object* members = value.if_object()) return !members->empty();
    if (const json::array* items = value.if_array()) return !items->empty();
    return true;
}

void add_member(field_list& shown, const std::string& name, const json::value& value)
{
    if (!has_content(value)) return;
    const std::string text = text_at(value, "");
    if (name == "status") shown.add(name, text, colour_of_status(text));
    else shown.add(name, name.ends_with("_time") ? human_time(text) : text);
}

}

std::string duration_of(const json::value& execution)
{
    if (const auto seconds = number_at(execution, "result.duration_seconds")) {
        return human_duration(std::chrono::milliseconds{static_cast<std::int64_t>(*seconds * 1000)});
    }
    const auto length = time_between(text_at(execution, "started_time"), text_at(execution, "completed_time"));
    return length ? human_duration(*length) : std::string{};
}

bool has_ended(const json::value& execution)
{
    const auto status = parse_execution_status(text_at(execution, "status"));
    return status && is_terminal(*status);
}

exit_code exit_code_of_execution(const json::value& execution)
{
    return text_at(execution, "status") == "COMPLETED" ? exit_code::success : exit_code::execution_failed;
}

std::string one_line_of(const json::value& execution)
{
    std::string line = text_at(execution, "status");
    const std::string code = text_at(execution, "result.error_code");
    const std::string message = text_at(execution, "result.error_message");
    if (!code.empty()) line += ": " + code;
    if (!message.empty()) line += ": " + message;
    if (const std::string length = duration_of(execution); !length.empty()) line += " in " + length;
    return line;
}

table execution_table(const json::array& items, const terminal_style& style)
{
    const bool narrow = style.width > 0 && style.width < roomy;
    table shown({{"ID"}, {"JOB", false, true}, {"STATUS"}, {"ATTEMPT", true, false, true}, {"QUEUED (UTC)"}, {"DURATION", true, false, true}});
    for (const json::value& one : items) {
        const std::string status = text_at(one, "status");
        std::string queued = human_time(text_at(one, "queued_time"));
        if (narrow && queued.size() > length_of_year) queued.erase(0, length_of_year);
        shown.add({{text_at(one, "execution_id")}, {text_at(one, "job_id")}, {status, colour_of_status(status)}, {text_at(one, "attempt_number")},
                   {std::move(queued)}, {duration_of(one)}});
    }
    return shown;
}

field_list execution_fields(const json::value& execution)
{
    field_list shown;
    const json::object* members = execution.if_object();
    if (!members) return shown;
    for (const auto& member : *members) {
        const std::string name{member.key()};
        if (name != "result") {
            add_member(shown, name, member.value());
            continue;
        }
        if (const json::object* result = member.value().if_object()) {
            for (const auto& part : *result) add_member(shown, "result." + std::string{part.key()}, part.value());
        }
    }
    return shown;
}

}
