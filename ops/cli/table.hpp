#pragma once

#include "ops/cli/terminal.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace rowlock::ops {

enum class colour : std::uint8_t { none, bold, dim, red, green, yellow, cyan };

// `text` between the escape sequences of `c`; unchanged where `on` is false.
std::string paint(std::string text, colour c, bool on);
// COMPLETED green, FAILED and TIMEOUT red, CANCELLED and SKIPPED yellow, RUNNING and COMPLETING cyan.
colour colour_of_status(std::string_view status);

struct cell {
    std::string text;
    colour shade = colour::none;
};

// Rows under headings, aligned by blanks. Text of any origin is safe: render() makes it printable.
class table {
public:
    struct column {
        std::string heading;
        bool right = false;                  // figures
        bool may_shrink = false;             // text that may be cut where the line is too long
        bool may_go = false;                 // left out where cutting is not enough, the last one first
    };

    explicit table(std::vector<column> columns);

    // `row` has one cell for each column.
    void add(std::vector<cell> row);
    std::size_t rows() const { return rows_.size(); }

    // Lines that end in '\n' and have no blanks before it. Lines are at most `style.width` wide (0: as wide as they are): columns that
    // may shrink are cut, widest first; then columns that may go are left out; then the others are cut.
    std::string render(const terminal_style& style) const;

private:
    // The width of each column; 0: left out.
    std::vector<std::size_t> fit(const std::vector<std::vector<cell>>& rows, int width) const;

    std::vector<column> columns_;
    std::vector<std::vector<cell>> rows_;
};

// Names and values below each other: "job_id    ingest". Pairs with empty values are left out.
class field_list {
public:
    void add(std::string name, std::string value, colour shade = colour::none);
    // Values are wrapped nowhere: what was asked for is shown whole.
    std::string render(const terminal_style& style) const;

private:
    struct field {
        std::string name;
        cell value;
    };
    std::vector<field> fields_;
};

}
