#include "tests/crash/effects.hpp"

#include "tests/crash/history.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <set>

namespace rowlock::test {

namespace json = boost::json;

effects::effects() : server_([](const stub_request&) { return stub_reply{}; }) {}

void effects::define(const server_process& on) const
{
    define_load(on, folder_.path() / "ledger", server_.url() + "/effects");
}

std::vector<std::string> effects::kinds()
{
    auto all = kinds_of_work;
    all.emplace_back("calls");
    return all;
}

std::map<std::string, int> effects::counted() const
{
    std::map<std::string, int> effects;
    std::ifstream lines(folder_.path() / "ledger");
    std::string execution;
    std::string attempt;
    while (lines >> execution >> attempt) ++effects[execution];
    for (const auto& request : server_.requests()) ++effects[text_at(json::parse(request.body), "/execution_id")];
    return effects;
}

void effects::check(const std::string& database, const std::map<std::string, std::string>& acknowledged) const
{
    const auto had = counted();
    int wrong = 0;
    const auto complain = [&wrong](const std::string& what) {
        UNSCOPED_INFO(what);
        ++wrong;
    };
    for (const auto& [id, n] : had) {
        if (n > 1) complain(id + " was started " + std::to_string(n) + " times");
    }
    std::set<std::string> runs_of_ours;
    std::set<std::string> runs_with_effect;
    for (const auto& row : rows_of(database, "select run_id || ' ' || execution_id || ' ' || status from rowlock.v_executions where job_id in ('writes', 'calls')")) {
        const auto run = row.substr(0, 36);
        const auto execution = row.substr(37, 36);
        runs_of_ours.insert(run);
        if (had.contains(execution)) runs_with_effect.insert(run);
        else if (row.substr(74) == "COMPLETED") complain(execution + " is COMPLETED and has done nothing");
    }
    for (const auto& [key, run] : acknowledged) {
        if (runs_of_ours.contains(run) && !runs_with_effect.contains(run)) complain(key + " was acknowledged as run " + run + ", which has done nothing");
    }
    CHECK(wrong == 0);
}

}
