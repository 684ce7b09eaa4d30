#include "tests/pg/plans/plan_bench.hpp"
#include "tests/pg/plans/plan_model.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fmt/format.h>
#include <random>

using namespace rowlock;
using namespace rowlock::test;

namespace {

plan_model random_plan(std::mt19937& dice, int most)
{
    const auto up_to = [&dice](int n) { return std::uniform_int_distribution<int>(0, n)(dice); };
    const int n = 1 + up_to(most - 1);
    std::vector<modelled_node> nodes(static_cast<std::size_t>(n));
    for (int k = 0; k < n; ++k) {
        auto& node = nodes[static_cast<std::size_t>(k)];
        node.id = fmt::format("n{}", k);
        node.gate = up_to(9) == 0;
        const int luck = up_to(19);
        node.outcome = luck < 15 ? execution_status::completed : luck < 18 ? execution_status::failed : luck < 19 ? execution_status::timeout : execution_status::cancelled;
        for (int e = std::min(k, up_to(3)); e > 0; --e) {
            const auto upstream = fmt::format("n{}", up_to(k - 1));
            if (std::any_of(node.needs.begin(), node.needs.end(), [&](const auto& need) { return need.node == upstream; })) continue;
            node.needs.push_back({upstream, up_to(2) == 0 ? "COMPLETION" : "SUCCESS", up_to(2) == 0});
        }
    }
    // A fallback is a node of its own, and comes right behind its primary.
    for (int k = 0; k + 1 < n; ++k) {
        auto& primary = nodes[static_cast<std::size_t>(k)];
        auto& next = nodes[static_cast<std::size_t>(k) + 1];
        if (primary.gate || up_to(5) != 0) continue;
        primary.fallback = next.id;
        // It needs none of those that it stands in for, by itself or by the one before it.
        for (int up = k; up >= 0 && nodes[static_cast<std::size_t>(up)].fallback == nodes[static_cast<std::size_t>(up) + 1].id; --up) {
            std::erase_if(next.needs, [&](const auto& need) { return need.node == nodes[static_cast<std::size_t>(up)].id; });
        }
    }
    plan_model model;
    for (auto& node : nodes) model.add(std::move(node));
    return model;
}

unsigned seed()
{
    const char* given = std::getenv("ROWLOCK_PLAN_SEED");
    return given ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device{}() % 1'000'000;
}

}

TEST_CASE("random plans end as a model that knows nothing of the database says, in any order of ends, with instances that die on the way", "[pg][plan]")
{
    const auto from = seed();
    INFO("ROWLOCK_PLAN_SEED=" << from);
    std::mt19937 dice(from);
    const auto up_to = [&dice](int n) { return std::uniform_int_distribution<int>(0, n)(dice); };
    plan_bench bench;
    for (int round = 0; round < 40; ++round) {
        const auto model = random_plan(dice, round < 30 ? 30 : 500);
        const auto run = bench.start(model.text());
        INFO(model.text());
        const auto how = [&](const std::string& node_id) { return model.node(node_id).outcome; };
        while (bench.status(run) == "RUNNING") {
            bench.step();
            auto extents = bench.take(1 + up_to(20));
            if (extents.empty()) {
                bench.step();
                REQUIRE((bench.status(run) != "RUNNING" || bench.db.value("select count(*) > 0 from extents where owner is null") == "t"));
                continue;
            }
            if (up_to(14) == 0) {
                // The instance dies: what it ran is lost, and the next attempts are made.
                const auto victim = bench.me;
                bench.me = bench.db.instance(std::chrono::hours{1});
                bench.db.rows(fmt::format("update instances set lease_until = clock() - interval '1 second' where instance_id = {}", victim.value));
                REQUIRE(storage::declare_dead(bench.db.service(), bench.me, false) == 1);
                while (storage::takeover(bench.db.service(), bench.me, priority_age, 7) > 0) {}
                continue;
            }
            std::shuffle(extents.begin(), extents.end(), dice);
            const auto half = extents.begin() + up_to(static_cast<int>(extents.size()));
            bench.settle({extents.begin(), half}, how);
            bench.settle({half, extents.end()}, how);
            if (up_to(20) == 0) CHECK(bench.db.violations() == "");
        }
        CHECK(bench.status(run) == model.plan_status());
        std::string wrong;
        for (const auto& row : bench.db.rows(fmt::format("select node_id, status from v_plan_nodes where plan_run_id = '{}'", run.str()))) {
            const auto id = row[0].as<std::string>();
            const auto is = row[1].as<std::string>();
            if (is != model.status(id)) wrong += fmt::format("{} is {} and not {}; ", id, is, model.status(id));
        }
        CHECK(wrong == "");
        CHECK(bench.db.violations() == "");
        // Whatever was skipped never had an execution.
        CHECK(bench.db.value("select count(*) from v_plan_nodes where status = 'SKIPPED' and execution_id is not null") == "0");
        if (!wrong.empty()) return;
    }
}
