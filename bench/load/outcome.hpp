#pragma once

#include <boost/json/array.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rowlock::bench {

// What a scenario has measured. Names of figures are the columns of the table and, with _ for blanks and _per_ for /, the members of the JSON.
struct outcome {
    std::string scenario;
    std::string how;                         // "32 connections, 10 s"
    struct figure {
        std::string name;
        double value;
    };
    std::vector<figure> figures{};
    std::string remark{};                    // what to do for a better measurement; empty: nothing

    // What could not be measured is left out.
    void add(std::string name, std::optional<double> value)
    {
        if (value) figures.push_back({std::move(name), *value});
    }
};

// The names of the figures, in the order in which they come first.
std::vector<std::string> columns_of(const std::vector<outcome>& all);
// The figure as text, three digits that mean something, or all of a whole number; empty where it was not measured.
std::string text_of(const outcome& one, std::string_view column);
// An array of objects.
boost::json::array json_of(const std::vector<outcome>& all);

}
