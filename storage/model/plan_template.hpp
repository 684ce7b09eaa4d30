#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock {

// One step of the path that a template names: .name, ["any name"], [0], or .0, which picks an item of an array and a member of an object.
struct template_step {
    enum class kind : std::uint8_t { member, index, either };
    kind what = kind::member;
    std::string name;                                // of member and either
    std::size_t index = 0;                           // of index and either
    bool operator==(const template_step&) const = default;
};

// A piece of a string with templates.
struct template_part {
    enum class kind : std::uint8_t {
        text,                                        // stands as it is
        parameters,                                  // {{ parameters.PATH }}: of the plan's parameters, put in at submission
        node,                                        // {{ nodes.N.PATH }}: of that node's result document, put in when the node starts
        item,                                        // {{ item.PATH }}: of the item that a for_each node's execution is for
    };
    kind what = kind::text;
    std::string text;                                // of text: itself; else the template without its braces, as it was written
    std::uint32_t node = 0;                          // of node: its index in the plan
    std::vector<template_step> path{};
};

// The index of the node with this id; nullopt: there is none.
using node_index = std::function<std::optional<std::uint32_t>(std::string_view node_id)>;

// Adds the parts of `text` to `parts`; text between templates that is empty is no part. Returns why it is refused, "": it is not.
// A node's id may contain points: the longest id that fits counts.
std::string split_template(std::string_view text, const node_index& find_node, std::vector<template_part>& parts);

// The path as SQL/JSON path: $.outputs."my rows"[0]. Names that are no plain identifiers are quoted.
std::string to_json_path(const std::vector<template_step>& path);

}
