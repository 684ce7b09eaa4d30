#include "storage/retention_store.hpp"

#include "storage/array.hpp"
#include "storage/rows.hpp"

#include <array>
#include <stdexcept>

namespace rowlock::storage {

constexpr statement take_turn_statement{"take_retention_turn", R"sql(
    select take_retention_turn_1($1, $2::int8 * interval '1 millisecond', $3, $4::int8 * interval '1 millisecond', $5::int8 * interval '1 millisecond'))sql"};

bool take_retention_turn(session& s, instance_id self, std::chrono::milliseconds turn, const kept& how_long)
{
    return s.exec(take_turn_statement, self.value, turn.count(), how_long.errors_per_queue, how_long.errors.count(), how_long.history.count())[0][0].as<bool>();
}

constexpr statement note_round_statement{"note_retention_round", "update retention_state set swept_at = clock() where holder = $1"};

void note_retention_round(session& s, instance_id self)
{
    s.exec(note_round_statement, self.value);
}

constexpr statement sweep_failures_statement{"sweep_failures", "select errors, dead_letters from sweep_failures_1($1, $2::int8 * interval '1 millisecond', $3)"};

swept_failures sweep_failures(session& s, const kept& how_long, int rows)
{
    const auto swept = s.exec(sweep_failures_statement, how_long.errors_per_queue, how_long.errors.count(), rows);
    return {swept[0][0].as<std::int64_t>(), swept[0][1].as<std::int64_t>()};
}

constexpr statement sweep_records_statement{"sweep_records", "select looked, dropped from sweep_records_1($1, $2::int8 * interval '1 millisecond', $3)"};

swept_records sweep_records(session& s, run_record what, std::chrono::milliseconds kept_for, int rows)
{
    const auto swept = s.exec(sweep_records_statement, what == run_record::log ? "logs" : "checkpoints", kept_for.count(), rows);
    return {swept[0][0].as<std::int64_t>(), swept[0][1].as<std::int64_t>()};
}

namespace {

history_step::deed deed_of(std::string_view name)
{
    using enum history_step::deed;
    struct named {
        std::string_view name;
        history_step::deed deed;
    };
    constexpr std::array<named, 8> all{{{"nothing", nothing}, {"busy", busy}, {"blocked", blocked}, {"looked", looked}, {"surveyed", surveyed}, {"runs", runs}, {"records", records}, {"day", day}}};
    for (const auto& one : all) {
        if (one.name == name) return one.deed;
    }
    throw std::logic_error("drop_history_1 did what this program does not know: " + std::string(name));
}

}

constexpr statement drop_history_statement{"drop_history", "select did, coalesce(about::text, ''), row_count from drop_history_1($1::int8 * interval '1 millisecond', $2)"};

history_step drop_history(session& s, std::chrono::milliseconds kept_for, int rows)
{
    const auto done = s.exec(drop_history_statement, kept_for.count(), rows);
    return {deed_of(done[0][0].c_str()), done[0][1].c_str(), done[0][2].as<std::int64_t>()};
}

constexpr statement sweep_plans_statement{"sweep_plans", "select looked, dropped from sweep_plans_1($1::int8 * interval '1 millisecond', $2)"};

swept_plans sweep_plans(session& s, std::chrono::milliseconds kept_for, int rows)
{
    const auto swept = s.exec(sweep_plans_statement, kept_for.count(), rows);
    return {swept[0][0].as<std::int64_t>(), swept[0][1].as<std::int64_t>()};
}

constexpr statement dropped_runs_statement{"dropped_runs", "select dropped_runs_1($1)"};

std::vector<execution_id> dropped_runs(session& s, const std::vector<execution_id>& runs)
{
    array ids(array::element::uuid);
    for (const auto& run : runs) ids.add(run);
    std::vector<execution_id> dropped;
    for (const auto& row : s.exec(dropped_runs_statement, ids.parameter())) dropped.push_back(id_of(row[0]));
    return dropped;
}

}
