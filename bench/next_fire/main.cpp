// How many times a second one core says when a schedule fires next: for each of a few schedules from one tick to the next, and then for all of them
// at random moments of ten years. Prints a line each. Seconds are those of the processor, so that a busy machine says the same. Usage: next_fire [SECONDS-EACH]
#include "runtime/schedule/next_fire.hpp"
#include "runtime/schedule/zone_database.hpp"
#include "storage/model/time.hpp"

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <fmt/format.h>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace rowlock;
using namespace rowlock::runtime;

namespace {

constexpr std::pair<const char*, const char*> schedules[] = {
    {"* * * * * *", "UTC"},
    {"*/5 * * * *", "Europe/Berlin"},
    {"0 9 * * MON-FRI", "America/New_York"},
    {"30 2 * * *", "Europe/Berlin"},
    {"0 0 LW * ?", "Asia/Tokyo"},
    {"15 3 13 * FRI#2", "Australia/Lord_Howe"},
    {"0 0 29 2 *", "UTC"},
};

const timestamp first = timestamp{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

// Ticks a second of work; asks in rounds, so that the clock costs nothing.
template <class Ask>
double rate(double seconds, Ask ask)
{
    constexpr int round = 10'000;
    std::uint64_t asked = 0;
    const auto begin = std::clock();
    double spent = 0;
    while (spent < seconds) {
        for (int i = 0; i < round; ++i) ask();
        asked += round;
        spent = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    }
    return static_cast<double>(asked) / spent;
}

}

int main(int argc, char** argv)
{
    const double seconds = argc > 1 ? std::strtod(argv[1], nullptr) : 1.0;
    zone_database zones;
    std::vector<compiled_schedule> all;
    for (const auto& [cron, zone] : schedules) {
        schedule_spec spec;
        spec.cron_expression = cron;
        spec.timezone = zone;
        auto made = compile(spec, zones, first);
        if (!made) {
            fmt::print(stderr, "{}\n", made.error().detail);
            return 2;
        }
        timestamp at = first;
        const double ticks = rate(seconds, [&] { at = next_fire(*made, at).value_or(first); });
        fmt::print("{:20} {:20} {:>12.0f} next/s\n", cron, zone, ticks);
        all.push_back(std::move(*made));
    }

    std::mt19937_64 engine(1);
    std::vector<timestamp> moments(4096);
    for (auto& each : moments) each = first + std::chrono::microseconds{static_cast<std::int64_t>(engine() % (std::uint64_t{3650} * 86'400 * 1'000'000))};
    std::size_t n = 0;
    std::uint64_t sum = 0;
    const double mixed = rate(seconds, [&] {
        const auto found = next_fire(all[n % all.size()], moments[n % moments.size()]);
        sum += static_cast<std::uint64_t>(found->time_since_epoch().count());
        ++n;
    });
    fmt::print("{:20} {:20} {:>12.0f} next/s\n", "all of them", "at random moments", mixed);

    const double compiled = rate(seconds, [&] {
        schedule_spec spec;
        spec.cron_expression = schedules[n % std::size(schedules)].first;
        spec.timezone = schedules[n % std::size(schedules)].second;
        sum += compile(spec, zones, first) ? 1 : 0;
        ++n;
    });
    fmt::print("{:20} {:20} {:>12.0f} compiled/s\n", "all of them", "parsed anew", compiled);
    return sum == 0 ? 1 : 0;
}
