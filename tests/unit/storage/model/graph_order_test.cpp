#include "storage/model/graph_order.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <set>

using namespace rowlock;

namespace {

// Arrows from lower to higher places of a shuffled row, so that there is no cycle and the numbers say nothing about the order.
std::vector<arrow> random_arrows(std::mt19937& random, std::uint32_t nodes, std::size_t count)
{
    std::vector<std::uint32_t> row(nodes);
    for (std::uint32_t i = 0; i < nodes; ++i) row[i] = i;
    std::shuffle(row.begin(), row.end(), random);
    std::uniform_int_distribution<std::uint32_t> any(0, nodes - 1);
    std::vector<arrow> arrows;
    while (arrows.size() < count) {
        const auto a = any(random);
        const auto b = any(random);
        if (a != b) arrows.push_back({row[std::min(a, b)], row[std::max(a, b)]});
    }
    return arrows;
}

// By the definition: the nodes that are reached, one step after the other.
std::set<std::uint32_t> ancestors_of(std::uint32_t node, const std::vector<arrow>& arrows)
{
    std::set<std::uint32_t> found;
    std::vector<std::uint32_t> waiting{node};
    while (!waiting.empty()) {
        const auto at = waiting.back();
        waiting.pop_back();
        for (const auto& a : arrows) {
            if (a.to == at && found.insert(a.from).second) waiting.push_back(a.from);
        }
    }
    return found;
}

bool is_real(const std::vector<std::uint32_t>& cycle, const std::vector<arrow>& arrows)
{
    if (cycle.size() < 2 || cycle.front() != cycle.back()) return false;
    for (std::size_t i = 0; i + 1 < cycle.size(); ++i) {
        if (std::find(arrows.begin(), arrows.end(), arrow{cycle[i], cycle[i + 1]}) == arrows.end()) return false;
    }
    return std::set<std::uint32_t>(cycle.begin(), cycle.end()).size() == cycle.size() - 1;
}

}

TEST_CASE("nodes without arrows are one layer, in their own order", "[unit][graph]")
{
    const auto order = order_of(3, {});
    CHECK(order.layers == 1);
    CHECK(order.sequence == std::vector<std::uint32_t>{0, 1, 2});
    CHECK(order.cycles.empty());
    CHECK(order_of(0, {}).layers == 0);
}

TEST_CASE("random graphs: what an arrow comes from stands before what it leads to, in the lowest layer that it can have", "[unit][graph]")
{
    const auto seed = GENERATE(range(1U, 41U));
    std::mt19937 random(seed);
    const std::uint32_t nodes = 1 + seed * 12;
    const auto arrows = nodes > 1 ? random_arrows(random, nodes, nodes * (seed % 4)) : std::vector<arrow>{};
    const auto order = order_of(nodes, arrows);
    INFO("seed " << seed);
    REQUIRE(order.cycles.empty());
    REQUIRE(order.sequence.size() == nodes);
    std::vector<std::uint32_t> least(nodes, 0);
    for (const auto node : order.sequence) {
        for (const auto& a : arrows) {
            if (a.to == node) least[node] = std::max(least[node], least[a.from] + 1);
        }
    }
    CHECK(order.layer == least);
    CHECK(order.layers == 1 + *std::max_element(least.begin(), least.end()));
    CHECK(std::is_sorted(order.sequence.begin(), order.sequence.end(),
                         [&](std::uint32_t a, std::uint32_t b) { return std::pair(least[a], a) < std::pair(least[b], b); }));
}

TEST_CASE("random graphs with a cycle: those that are told are there, share no node, and nothing on or behind one has a layer", "[unit][graph]")
{
    const auto seed = GENERATE(range(1U, 41U));
    std::mt19937 random(seed);
    const std::uint32_t nodes = 2 + seed * 8;
    auto arrows = random_arrows(random, nodes, nodes * 2);
    std::uniform_int_distribution<std::size_t> any(0, arrows.size() - 1);
    for (unsigned i = 0; i < 1 + seed % 3; ++i) {
        const auto back = arrows[any(random)];
        arrows.push_back({back.to, back.from});
    }
    const auto order = order_of(nodes, arrows);
    INFO("seed " << seed);
    REQUIRE_FALSE(order.cycles.empty());
    std::set<std::uint32_t> seen;
    for (const auto& cycle : order.cycles) {
        CHECK(is_real(cycle, arrows));
        for (std::size_t i = 1; i < cycle.size(); ++i) CHECK(seen.insert(cycle[i]).second);
    }
    for (std::uint32_t node = 0; node < nodes; ++node) {
        const auto before = ancestors_of(node, arrows);
        const bool stuck = std::any_of(before.begin(), before.end(), [&](std::uint32_t each) { return ancestors_of(each, arrows).contains(each); });
        CHECK((order.layer[node] == graph_order::no_layer) == stuck);
        CHECK((std::find(order.sequence.begin(), order.sequence.end(), node) == order.sequence.end()) == stuck);
    }
}

TEST_CASE("a node that waits for itself is a cycle of one", "[unit][graph]")
{
    const std::vector<arrow> arrows{{0, 1}, {1, 1}, {1, 2}};
    CHECK(order_of(3, arrows).cycles == std::vector<std::vector<std::uint32_t>>{{1, 1}});
}

TEST_CASE("random graphs: who is whose ancestor", "[unit][graph]")
{
    const auto seed = GENERATE(range(1U, 16U));
    std::mt19937 random(seed);
    const std::uint32_t nodes = 120;
    const auto arrows = random_arrows(random, nodes, 60 + seed * 20);
    const auto order = order_of(nodes, arrows);
    std::vector<ancestor_question> questions;
    std::vector<bool> expected;
    for (std::uint32_t asker = 0; asker < nodes; ++asker) {
        const auto before = ancestors_of(asker, arrows);
        for (std::uint32_t named = 0; named < nodes; ++named) {
            questions.push_back({named, asker});
            expected.push_back(before.contains(named));
        }
    }
    CHECK(are_ancestors(questions, arrows, order) == expected);
}

TEST_CASE("ancestors that are too far for a few steps are found too, and those that are not there are not", "[unit][graph]")
{
    // Layers of 40, each node waiting for all of the layer below: what is two layers away is behind 1,600 arrows.
    constexpr std::uint32_t width = 40;
    constexpr std::uint32_t layers = 12;
    std::vector<arrow> arrows;
    for (std::uint32_t to = width; to < width * layers; ++to) {
        for (std::uint32_t i = 0; i < width; ++i) arrows.push_back({(to / width - 1) * width + i, to});
    }
    const std::uint32_t alone = width * layers;
    const auto order = order_of(alone + 1, arrows);
    std::vector<ancestor_question> questions;
    std::vector<bool> expected;
    for (std::uint32_t named = 0; named <= alone; ++named) {
        for (const auto asker : {std::uint32_t{3}, width * 5 + 1, width * layers - 1}) {
            questions.push_back({named, asker});
            expected.push_back(named < alone && named / width < asker / width);
        }
    }
    CHECK(are_ancestors(questions, arrows, order) == expected);
}
