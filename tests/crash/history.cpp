#include "tests/crash/history.hpp"

#include "tests/support/eventually.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <pqxx/pqxx>

namespace rowlock::test {

std::vector<std::string> rows_of(const std::string& database, const std::string& sql)
{
    pqxx::connection session(database);
    pqxx::nontransaction tx(session);
    std::vector<std::string> out;
    for (const auto& row : tx.exec(sql)) out.emplace_back(row[0].c_str());
    return out;
}

std::string value_of(const std::string& database, const std::string& sql)
{
    const auto rows = rows_of(database, sql);
    if (rows.size() != 1) throw std::runtime_error("not one row: " + sql);
    return rows.front();
}

void await_idle(const std::string& database)
{
    eventually("everything has ended", [&] {
        try {
            return value_of(database, "select count(*) from rowlock.extents") == "0";
        } catch (const pqxx::failure&) {
            return false;
        }
    });
}

std::vector<std::string> violations(const std::string& database)
{
    return rows_of(database, "select rule || ': ' || detail from rowlock.violations() limit 20");
}

void check_history(const std::string& database, const std::map<std::string, std::string>& acknowledged)
{
    const std::vector<std::string> none;
    CHECK(violations(database) == none);

    INFO("each key that was sent has one run at most, and each that was acknowledged exactly the one that was told");
    CHECK(rows_of(database, "select correlation_id || ' ' || count(*) from rowlock.executions where attempt_number = 1 and correlation_id is not null "
                            "group by correlation_id having count(*) > 1") == none);
    std::map<std::string, std::string> stored;
    for (const auto& each : rows_of(database, "select correlation_id || ' ' || execution_id from rowlock.executions where attempt_number = 1 and correlation_id is not null")) {
        const auto space = each.find(' ');
        stored[each.substr(0, space)] = each.substr(space + 1);
    }
    int wrong = 0;
    for (const auto& [key, execution] : acknowledged) {
        const auto at = stored.find(key);
        if (at != stored.end() && at->second == execution) continue;
        UNSCOPED_INFO(key << " was acknowledged as " << execution << ", stored as " << (at == stored.end() ? "nothing" : at->second));
        ++wrong;
    }
    CHECK(wrong == 0);

    INFO("every run has ended");
    CHECK(rows_of(database, "select run_id || ' ' || status from rowlock.v_runs where status not in ('COMPLETED', 'FAILED', 'TIMEOUT', 'CANCELLED', 'SKIPPED') limit 20") == none);

    INFO("a lost attempt was followed by the next, up to max_attempts");
    CHECK(rows_of(database, "select v.execution_id || ' attempt ' || v.attempt_number from rowlock.v_executions v "
                            "join rowlock.jobs j on j.job_id = v.job_id join rowlock.job_versions d on d.job_key = j.job_key and d.version = v.job_version "
                            "where v.error_code = 'LEASE_LOST' and (v.next_execution_id is null) <> (not d.idempotent and v.attempt_number >= d.max_attempts) limit 20") == none);

    INFO("a run that has failed for good has its dead letter, and every failure its error");
    CHECK(rows_of(database, "select r.execution_id from rowlock.results r left join rowlock.dead_letters d on d.dead_letter_id = r.execution_id "
                            "where r.status in (6, 7) and (r.next_execution_id is null) <> (d.dead_letter_id is not null) limit 20") == none);
    CHECK(rows_of(database, "select r.execution_id from rowlock.results r left join rowlock.errors x on x.error_id = r.execution_id "
                            "where (r.status in (6, 7)) <> (x.error_id is not null) limit 20") == none);

    INFO("an attempt is handed the last checkpoint of the attempts before it");
    CHECK(rows_of(database, "select v.execution_id || ' ' || (v.outputs ->> 'from') from rowlock.v_executions v where v.job_id = 'saves' and v.status = 'COMPLETED' "
                            "and v.outputs ->> 'from' <> coalesce((select convert_from(c.body, 'UTF8') from rowlock.checkpoints c join rowlock.executions e using (execution_id) "
                            "where c.run_id = v.run_id and e.attempt_number < v.attempt_number order by e.attempt_number desc, c.checkpoint_number desc limit 1), '') limit 20") == none);

    INFO("what ended an execution had a higher fence than everybody who had it before");
    CHECK(rows_of(database, "select r.execution_id || ' ' || r.fence from rowlock.results r join rowlock.extra_transitions t using (execution_id) "
                            "where t.from_status = 3 and t.to_status = 2 and t.fence >= r.fence and r.status = 5 limit 20") == none);
}

void check_ledger(const std::string& database, const std::filesystem::path& ledger)
{
    std::map<std::string, int> starts;
    std::ifstream lines(ledger);
    std::string execution;
    std::string attempt;
    while (lines >> execution >> attempt) ++starts[execution];
    int twice = 0;
    for (const auto& [id, n] : starts) {
        if (n == 1) continue;
        UNSCOPED_INFO(id << " was started " << n << " times");
        ++twice;
    }
    CHECK(twice == 0);
    int missing = 0;
    for (const auto& id : rows_of(database, "select execution_id from rowlock.v_executions where job_id = 'writes' and status = 'COMPLETED'")) {
        if (starts.contains(id)) continue;
        UNSCOPED_INFO(id << " is COMPLETED and has done nothing");
        ++missing;
    }
    CHECK(missing == 0);
}

}
