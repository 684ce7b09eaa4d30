#include "tests/pg/retention/past.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

using namespace rowlock;
using namespace rowlock::test;

namespace {

constexpr int default_days = 3;
// The rest of the day, the day of grace, and the day until the next look.
constexpr int late_days = 3;

struct remembered {
    std::vector<execution_id> attempts;
    int last_days_ago;                               // at the beginning
    int kept;                                        // 0: for ever
};

}

TEST_CASE("whatever the history, a run is there whole until its time has come, and gone whole soon after", "[pg][retention]")
{
    const unsigned seed = GENERATE(1u, 2u, 3u, 4u);
    INFO("seed " << seed);
    std::mt19937 random(seed);
    const auto any = [&](int least, int most) { return std::uniform_int_distribution<int>(least, most)(random); };
    past p;
    const std::pair<queue_job, int> jobs[] = {{p.job("a"), default_days}, {p.job("b", 5), 5}, {p.job("c", 1), 1}, {p.job("d", 0), 0}};
    std::vector<remembered> runs;
    for (int i = 0; i < 30; ++i) {
        // Jobs that are kept for ever are rare, so that some days have none.
        const auto& [job, kept] = jobs[any(0, 9) == 0 ? 3 : any(0, 2)];
        std::vector<int> days{any(2, 10)};
        while (any(0, 2) == 0 && days.size() < 4) days.push_back(any(1, days.back()));
        runs.push_back({p.run(job, days), days.back(), kept});
        for (const auto& id : runs.back().attempts) p.leave_records(id);
    }
    for (int later = 0; later <= 8; ++later) {
        p.days_later(later);
        p.drop(default_days, any(1, 20));
        for (const auto& run : runs) {
            const auto there = std::count_if(run.attempts.begin(), run.attempts.end(), [&](const execution_id& id) { return p.has(id); });
            INFO(later << " days later, a run that ended " << run.last_days_ago << " days before and is kept for " << run.kept);
            const int age = run.last_days_ago + later;
            // It ended an hour before noon.
            if (run.kept == 0 || age < run.kept) CHECK(there == static_cast<std::ptrdiff_t>(run.attempts.size()));
            else if (age >= run.kept + late_days) CHECK(there == 0);
            else CHECK((there == 0 || there == static_cast<std::ptrdiff_t>(run.attempts.size())));
            for (const auto& id : run.attempts) CHECK(p.records_of(id) == (there > 0 ? 9 : 0));
        }
    }
    CHECK(p.db().value("select coalesce(sum(row_count), 0) from v_retention where what in ('day', 'runs')") ==
          p.db().value("select coalesce(sum(executions_dropped), 0) from v_history_days"));
}
