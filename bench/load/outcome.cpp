#include "bench/load/outcome.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <cmath>
#include <fmt/format.h>

namespace rowlock::bench {

std::vector<std::string> columns_of(const std::vector<outcome>& all)
{
    std::vector<std::string> names;
    for (const outcome& one : all) {
        for (const auto& figure : one.figures) {
            if (std::find(names.begin(), names.end(), figure.name) == names.end()) names.push_back(figure.name);
        }
    }
    return names;
}

std::string text_of(const outcome& one, std::string_view column)
{
    const auto found = std::find_if(one.figures.begin(), one.figures.end(), [&](const auto& f) { return f.name == column; });
    if (found == one.figures.end()) return "";
    const double size = std::fabs(found->value);
    if (size >= 100) return fmt::format("{:.0f}", found->value);
    return fmt::format("{:.{}f}", found->value, size >= 10 ? 1 : 2);
}

boost::json::array json_of(const std::vector<outcome>& all)
{
    boost::json::array rows;
    for (const outcome& one : all) {
        boost::json::object row{{"scenario", one.scenario}, {"how", one.how}};
        for (const auto& figure : one.figures) {
            std::string name = figure.name;
            if (const auto slash = name.find('/'); slash != std::string::npos) name.replace(slash, 1, "_per_");
            std::replace(name.begin(), name.end(), ' ', '_');
            row[name] = figure.value;
        }
        if (!one.remark.empty()) row["remark"] = one.remark;
        rows.push_back(std::move(row));
    }
    return rows;
}

}
