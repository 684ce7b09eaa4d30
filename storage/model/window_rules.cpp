#include "storage/model/window_rules.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/string.hpp>
#include <stdexcept>
#include <string>

namespace rowlock {

namespace json = boost::json;

json::array window_rules(const std::vector<execution_window>& windows)
{
    json::array rules;
    for (const auto& w : windows) {
        rules.push_back(json::object{{"start", w.start.count()}, {"end", w.end.count()}, {"days", static_cast<int>(w.days)}, {"timezone", w.timezone}});
    }
    return rules;
}

std::vector<execution_window> parse_window_rules(std::string_view text)
{
    std::vector<execution_window> windows;
    try {
        const auto rules = json::parse(json::string_view(text.data(), text.size()));
        for (const auto& rule : rules.as_array()) {
            const auto& members = rule.as_object();
            const auto& zone = members.at("timezone").as_string();
            windows.push_back({std::chrono::seconds{members.at("start").to_number<std::int64_t>()}, std::chrono::seconds{members.at("end").to_number<std::int64_t>()},
                               members.at("days").to_number<weekday_set>(), std::string(zone.data(), zone.size())});
        }
    } catch (const std::exception& e) {
        throw std::logic_error("these are no windows: " + std::string(text) + ": " + e.what());
    }
    return windows;
}

}
