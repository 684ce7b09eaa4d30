#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace rowlock {

// `to` cannot start before `from` has ended. Both are numbers of nodes, from 0.
struct arrow {
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    bool operator==(const arrow&) const = default;
};

// The order in which a graph's nodes can be gone through.
struct graph_order {
    static constexpr std::uint32_t no_layer = std::numeric_limits<std::uint32_t>::max();

    // Of each node: one more than the highest layer of those that it waits for, and so the smallest that it can have; 0 where it waits for
    // none. no_layer on a cycle and behind one.
    std::vector<std::uint32_t> layer;
    std::uint32_t layers = 0;
    // The nodes that have a layer: by layer, and within one as they are numbered.
    std::vector<std::uint32_t> sequence;
    // Empty where the graph has none; else some of its cycles, one at least, no two of which share a node. Each is told in the direction of its
    // arrows, and ends with the node that it begins with.
    std::vector<std::vector<std::uint32_t>> cycles;
};

// Takes time and memory in proportion to nodes and arrows. An arrow may come twice. Pure.
graph_order order_of(std::size_t nodes, std::span<const arrow> arrows);

// Whether `named` is reached from `asker` against the arrows.
struct ancestor_question {
    std::uint32_t named = 0;
    std::uint32_t asker = 0;
};
// One answer for each question; no question about an asker that has no layer. Of thousands of questions the far ones are answered together. Pure.
std::vector<bool> are_ancestors(std::span<const ancestor_question> questions, std::span<const arrow> arrows, const graph_order& order);

}
