#include "bench/load/closed_loop.hpp"
#include "bench/load/submissions.hpp"

#include <fmt/format.h>
#include <pqxx/pqxx>

namespace rowlock::bench {

using std::chrono::steady_clock;

namespace {

constexpr std::string_view without_database = "nothing was measured: it needs --database URL, or --data DIR";

// What one session submits until the time is up. `submit`: a transaction; it notes each call, and returns how many executions it has made.
outcome run_session(server& at, outcome made, const load_options& options, const std::string& prepared, const std::function<double(pqxx::work&, seen_answers&)>& submit)
{
    if (at.database_url().empty()) {
        made.remark = without_database;
        return made;
    }
    at.define("load-noop", R"({"type": "noop"})");
    pqxx::connection session(at.database_url());
    pqxx::nontransaction(session).exec("set rowlock.tenant = " + session.quote(at.tenant()));
    session.prepare("submit", prepared);
    const double ended_before = at.ended();
    const snapshot before = at.look();
    const auto tell = options.tell_from(before.at);
    seen_answers seen;
    double jobs = 0;
    while (steady_clock::now() < before.at + options.length) {
        pqxx::work work(session);
        jobs += submit(work, seen);
        work.commit();
        tell();
    }
    return with_answers(at, std::move(made), seen, jobs, before, steady_clock::now(), ended_before, options);
}

std::string due_as_sql(const load_options& options)
{
    const auto due = due_if_stored(options);
    return due ? fmt::format(", scheduled_time => '{}'", to_rfc3339(*due)) : "";
}

template <class Call>
auto timed(seen_answers& seen, Call call)
{
    const auto began = steady_clock::now();
    auto rows = call();
    seen.add(true, steady_clock::now() - began);
    return rows;
}

}

outcome run_sql(server& at, const load_options& options)
{
    const outcome made{"sql", fmt::format("1 session, a call a row, {} a transaction, {} s", options.batch, options.length.count())};
    const std::string call = fmt::format("select rowlock.submit('load-noop', jsonb_build_object('n', $1::int){})", due_as_sql(options));
    return run_session(at, made, options, call, [&options](pqxx::work& work, seen_answers& seen) {
        for (std::size_t i = 0; i < options.batch; ++i) timed(seen, [&] { return work.exec_prepared("submit", i); });
        return static_cast<double>(options.batch);
    });
}

outcome run_sql_many(server& at, const load_options& options)
{
    const outcome made{"sql-many", fmt::format("1 session, {} a call, a transaction each, {} s", options.batch, options.length.count())};
    const std::string call = fmt::format("select count(*) from rowlock.submit_many('load-noop', array(select jsonb_build_object('n', n) from generate_series(1, $1::int) n){})", due_as_sql(options));
    return run_session(at, made, options, call, [&options](pqxx::work& work, seen_answers& seen) {
        return timed(seen, [&] { return work.exec_prepared1("submit", options.batch); })[0].template as<double>();
    });
}

}
