#include "tests/crash/fire.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>

namespace {

using namespace rowlock::test;

unsigned from_environment(const char* name, unsigned otherwise)
{
    const char* value = std::getenv(name);
    return value && *value ? static_cast<unsigned>(std::stoul(value)) : otherwise;
}

unsigned seed_of_this_run()
{
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return from_environment("ROWLOCK_CRASH_SEED", static_cast<unsigned>(std::chrono::duration_cast<std::chrono::seconds>(now).count() % 1'000'000));
}

// Survives the fault, or throws; says so for ops/soak.
void bring(fire& world, const fire::fault& one)
{
    INFO(one.name);
    const auto from = std::chrono::steady_clock::now();
    world.bring(one);
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - from);
    std::cerr << "fault: " << one.name << ", " << took.count() << " ms, " << world.acknowledged() << " acknowledged" << std::endl;
}

}

// Another course each time; ROWLOCK_CRASH_SEED chooses one.
TEST_CASE("three servers behind HAProxy go through every fault under load: what was acknowledged is done once, and all goes on by itself", "[crash][fire]")
{
    const auto seed = seed_of_this_run();
    std::cerr << "ROWLOCK_CRASH_SEED=" << seed << '\n';
    INFO("ROWLOCK_CRASH_SEED=" << seed);
    fire world(seed);
    const auto faults = world.shuffled_faults();
    if (faults.size() < 10) WARN("this process may not mount a file system: PostgreSQL's disk is not filled");
    for (const auto& each : faults) bring(world, each);
    world.finish();
}

// A round of ops/soak: ROWLOCK_FIRE_SECONDS long.
TEST_CASE("any faults in any order, for as long as it is asked for", "[.][soak-round]")
{
    const auto seed = seed_of_this_run();
    INFO("ROWLOCK_CRASH_SEED=" << seed);
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(from_environment("ROWLOCK_FIRE_SECONDS", 150));
    fire world(seed);
    while (std::chrono::steady_clock::now() < until) {
        // All of them before any comes again.
        for (const auto& each : world.shuffled_faults()) {
            bring(world, each);
            if (std::chrono::steady_clock::now() >= until) break;
        }
    }
    world.finish();
}
