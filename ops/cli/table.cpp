#include "ops/cli/table.hpp"

#include "ops/cli/human_text.hpp"

#include <algorithm>

namespace rowlock::ops {

namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t least_useful = 12;         // what cut text needs to be told from other text
constexpr std::size_t least_cut = 4;

void strip_end(std::string& line)
{
    while (!line.empty() && line.back() == ' ') line.pop_back();
}

}

std::string paint(std::string text, colour c, bool on)
{
    if (!on || text.empty()) return text;
    const char* start = "";
    switch (c) {
    case colour::none: return text;
    case colour::bold: start = "\x1b[1m"; break;
    case colour::dim: start = "\x1b[2m"; break;
    case colour::red: start = "\x1b[31m"; break;
    case colour::green: start = "\x1b[32m"; break;
    case colour::yellow: start = "\x1b[33m"; break;
    case colour::cyan: start = "\x1b[36m"; break;
    }
    return start + std::move(text) + "\x1b[0m";
}

colour colour_of_status(std::string_view status)
{
    if (status == "COMPLETED") return colour::green;
    if (status == "FAILED" || status == "TIMEOUT") return colour::red;
    if (status == "CANCELLED" || status == "SKIPPED") return colour::yellow;
    if (status == "RUNNING" || status == "COMPLETING") return colour::cyan;
    return colour::none;
}

table::table(std::vector<column> columns) : columns_(std::move(columns)) {}

void table::add(std::vector<cell> row)
{
    row.resize(columns_.size());
    for (cell& c : row) c.text = printable(c.text);
    rows_.push_back(std::move(row));
}

std::vector<std::size_t> table::fit(const std::vector<std::vector<cell>>& rows, int width) const
{
    std::vector<std::size_t> widths(columns_.size());
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns_of(row[i].text));
    }
    if (width <= 0) return widths;
    const auto too_wide = [&] {
        std::size_t total = 0;
        for (const std::size_t w : widths) total += w == 0 ? 0 : w + (total == 0 ? 0 : gap);
        return total > static_cast<std::size_t>(width);
    };
    // Takes single columns of text from the widest, none below `least`.
    const auto cut = [&](bool shrinkable, std::size_t least) {
        while (too_wide()) {
            std::size_t widest = columns_.size();
            for (std::size_t i = 0; i < columns_.size(); ++i) {
                if (columns_[i].may_shrink != shrinkable || widths[i] <= least) continue;
                if (widest == columns_.size() || widths[i] > widths[widest]) widest = i;
            }
            if (widest == columns_.size()) return;
            --widths[widest];
        }
    };
    const std::vector<std::size_t> whole = widths;
    cut(true, least_useful);
    for (std::size_t i = columns_.size(); i-- > 0 && too_wide();) {
        if (!columns_[i].may_go) continue;
        // What has become free goes to the text that was cut.
        for (std::size_t k = 0; k < i; ++k) widths[k] = whole[k];
        widths[i] = 0;
        cut(true, least_useful);
    }
    cut(true, least_cut);
    cut(false, least_cut);
    return widths;
}

std::string table::render(const terminal_style& style) const
{
    std::vector<std::vector<cell>> rows;
    rows.reserve(rows_.size() + 1);
    std::vector<cell> headings;
    for (const column& c : columns_) headings.push_back({c.heading, colour::bold});
    rows.push_back(std::move(headings));
    rows.insert(rows.end(), rows_.begin(), rows_.end());

    const std::vector<std::size_t> widths = fit(rows, style.width);
    std::string out;
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (widths[i] == 0) continue;
            const std::string text = shorten(row[i].text, widths[i], style.unicode);
            const std::string blanks(widths[i] - columns_of(text), ' ');
            if (!line.empty()) line.append(gap, ' ');
            if (columns_[i].right) line += blanks;
            line += paint(text, row[i].shade, style.out_colour);
            if (!columns_[i].right) line += blanks;
        }
        strip_end(line);
        out += line + '\n';
    }
    return out;
}

void field_list::add(std::string name, std::string value, colour shade)
{
    if (value.empty()) return;
    fields_.push_back({std::move(name), {printable(value), shade}});
}

std::string field_list::render(const terminal_style& style) const
{
    std::size_t width = 0;
    for (const field& f : fields_) width = std::max(width, columns_of(f.name));
    std::string out;
    for (const field& f : fields_) {
        out += paint(f.name, colour::dim, style.out_colour) + std::string(width - columns_of(f.name) + gap, ' ');
        out += paint(f.value.text, f.value.shade, style.out_colour) + '\n';
    }
    return out;
}

}
