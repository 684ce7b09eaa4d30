#include "bench/load/outcome.hpp"

#include "storage/model/json_text.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cmath>
#include <fmt/format.h>

namespace rowlock::bench {

namespace {

// Three digits that mean something, or all of a whole number.
std::string shown(double value)
{
    const double size = std::fabs(value);
    if (size >= 100) return fmt::format("{:.0f}", value);
    return fmt::format("{:.{}f}", value, size >= 10 ? 1 : 2);
}

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

std::string value_in(const outcome& one, const std::string& column)
{
    const auto found = std::find_if(one.figures.begin(), one.figures.end(), [&](const auto& f) { return f.name == column; });
    return found == one.figures.end() ? "" : shown(found->value);
}

}

// In Markdown, so that it can be pasted where figures are kept.
void print_table(const std::vector<outcome>& all)
{
    std::vector<std::vector<std::string>> rows{{"scenario", "how"}};
    const auto columns = columns_of(all);
    rows[0].insert(rows[0].end(), columns.begin(), columns.end());
    for (const outcome& one : all) {
        auto& row = rows.emplace_back(std::vector<std::string>{one.scenario, one.how});
        for (const auto& column : columns) row.push_back(value_in(one, column));
    }
    std::vector<std::size_t> widths(rows[0].size(), 3);
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    for (std::size_t r = 0; r < rows.size(); ++r) {
        std::string line = "|";
        std::string rule = "|";
        for (std::size_t i = 0; i < widths.size(); ++i) {
            line += i < 2 ? fmt::format(" {:<{}} |", rows[r][i], widths[i]) : fmt::format(" {:>{}} |", rows[r][i], widths[i]);
            rule += i < 2 ? fmt::format(" {:-<{}} |", "", widths[i]) : fmt::format(" {:-<{}}: |", "", widths[i] - 1);
        }
        fmt::print("{}\n", line);
        if (r == 0) fmt::print("{}\n", rule);
    }
}

void print_json(const std::vector<outcome>& all)
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
        rows.push_back(std::move(row));
    }
    fmt::print("{}\n", to_pretty_text(rows));
}

}
