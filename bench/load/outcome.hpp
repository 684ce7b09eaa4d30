#pragma once

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

    // What could not be measured is left out.
    void add(std::string name, std::optional<double> value)
    {
        if (value) figures.push_back({std::move(name), *value});
    }
};

// Both to stdout.
void print_table(const std::vector<outcome>& all);
void print_json(const std::vector<outcome>& all);

}
