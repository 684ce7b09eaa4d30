#include "runtime/handlers/sql.hpp"

#include "runtime/handlers/stopped.hpp"
#include "storage/model/sql_statement.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace rowlock::runtime {

namespace {

// For the statements that make a session ready for a job, and clean it up after one.
constexpr std::chrono::seconds housekeeping{10};
// A cancel that comes before the server has begun is lost, so it is sent again.
constexpr std::chrono::milliseconds first_repeat{100};
constexpr std::chrono::milliseconds longest_repeat{2'000};

// What the job says ($1: its time limit in milliseconds, $2: on, or what the session has), and what Rowlock relies on: how points in time are
// written, and that the server gives up a statement whose instance has died, where it can tell (PostgreSQL 14, on Linux).
constexpr const char* settings_of_session = R"sql(
    select case when $1 <> '' then pg_catalog.set_config('statement_timeout', $1, false) end,
           case when $2 <> '' then pg_catalog.set_config('default_transaction_read_only', $2, false) end,
           pg_catalog.set_config('datestyle', 'ISO', false),
           case when pg_catalog.current_setting('client_connection_check_interval', true) is not null and pg_catalog.version() like '%linux%'
                then pg_catalog.set_config('client_connection_check_interval', '1000', false) end)sql";

// What a job leaves in a session, its settings, temporary tables and locks, is not for the next one.
constexpr const char* forget_session = "discard all";

// While it lives, a request to stop the attempt calls `act`.
class while_stoppable {
public:
    while_stoppable(attempt& a, std::function<void()> act) : attempt_(a) { attempt_.on_stop(std::move(act)); }
    ~while_stoppable() { attempt_.on_stop({}); }
    while_stoppable(const while_stoppable&) = delete;
    while_stoppable& operator=(const while_stoppable&) = delete;

private:
    attempt& attempt_;
};

outcome carried_out(const sql_answer& answer, const sql_rows& rows)
{
    outcome o;
    o.records_processed = answer.row_count;
    o.outputs = rows.outputs(answer.row_count);
    return o;
}

}

sql_runner::sql_runner(io_executor executor, sql_pool& pool) : executor_(executor), pool_(pool), watch_(std::make_shared<watch>(executor, pool)) {}

sql_runner::~sql_runner()
{
    watch_->timer.cancel();
}

awaitable<outcome> sql_runner::run(attempt& a, const sql_handler& handler)
{
    const auto* address = pool_.find(handler.connection);
    if (address == nullptr) {
        const auto known = pool_.names();
        co_return failed(invalid_config(fmt::format("there is no connection {} here; {}", handler.connection,
                                                    known.empty() ? "SQL_CONNECTIONS names none" : "SQL_CONNECTIONS names " + known)));
    }
    const auto statement = read_sql_statement(handler.statement);
    if (!statement) co_return failed(invalid_config("the statement " + statement.error().detail));
    auto binds = sql_binds_of(statement->binds, a.work());
    if (!binds) co_return failed(binds.error());

    sql_place place;
    {
        const auto turn = std::make_shared<sql_turn>();
        const while_stoppable waiting(a, [this, turn] { pool_.give_up(turn); });
        place = co_await pool_.take(*address, turn);
    }
    if (a.stopped() != stop_reason::none) co_return stopped_outcome(a.stopped());
    sql_connection c(executor_, *address, place.take_kept());
    auto result = co_await run_at(a, handler, c, statement->text, std::move(*binds));
    co_await keep(place, c);
    if (auto notices = c.take_notices(); !notices.empty()) co_await a.records().log(log_stream::err, std::move(notices));
    co_return result;
}

awaitable<outcome> sql_runner::run_at(attempt& a, const sql_handler& handler, sql_connection& c, std::string statement, std::vector<sql_bind> binds)
{
    const while_stoppable working(a, [&c] { c.interrupt(); });
    const auto ready = co_await make_ready(a, handler, c);
    if (a.stopped() != stop_reason::none) {
        c.close();
        co_return stopped_outcome(a.stopped());
    }
    if (!ready) co_return failed(ready.error());

    sql_rows rows(handler.rows_limit, handler.outputs_limit_bytes);
    const auto answer = co_await c.run(std::move(statement), std::move(binds), rows, no_deadline);
    switch (answer.end) {
    case sql_end::done: co_return carried_out(answer, rows);
    case sql_end::refused: co_return failed(answer.why);
    case sql_end::lost:
        if (a.stopped() != stop_reason::none) co_return stopped_outcome(a.stopped(), true);
        co_return failed({answer.why.code, answer.why.message + " (while the statement ran: whether it was carried out is not known)"});
    case sql_end::interrupted:
    case sql_end::late: break;
    }
    co_return stopped_outcome(a.stopped(), !co_await has_ended_by_cancel(a, c, rows));
}

// A session that was kept may have broken since. That is found out before the statement is sent, when nothing is in doubt yet.
awaitable<attempted<void>> sql_runner::make_ready(attempt& a, const sql_handler& handler, sql_connection& c)
{
    auto limit = handler.statement_timeout;
    // Longer than the attempt and its grace nothing runs, even where this instance is not there any more to end it.
    if (a.until() != no_deadline) {
        const auto left = std::chrono::ceil<milliseconds>(a.until() - steady_clock::now()) + pool_.options().grace;
        if (left.count() > 0 && (!limit || left < *limit)) limit = left;
    }
    const std::vector<sql_bind> settings{{0, limit ? std::to_string(limit->count()) : ""}, {0, handler.read_only ? "on" : ""}};
    for (bool kept = c.is_open();; kept = false) {
        if (!kept) {
            auto open = co_await c.open(a.until());
            if (!open || a.stopped() != stop_reason::none) co_return open;
        }
        sql_rows nothing(0, 0);
        auto answer = co_await c.run(settings_of_session, settings, nothing, steady_clock::now() + housekeeping);
        if (answer.end == sql_end::done) co_return attempted<void>();
        c.close();
        if (a.stopped() == stop_reason::none && kept) continue;
        if (answer.end == sql_end::late) answer.why = {"CONNECTION_FAILED", fmt::format("the connection {} does not answer", handler.connection)};
        co_return answer.why;
    }
}

// Did the statement end within the grace, once the server was asked to end it?
awaitable<bool> sql_runner::has_ended_by_cancel(attempt& a, sql_connection& c, sql_rows& rows)
{
    const auto by = steady_clock::now() + pool_.options().grace;
    const auto handle = c.cancel_handle();
    const auto under_way = std::make_shared<std::atomic<bool>>(false);
    for (auto repeat = first_repeat;; repeat = std::min(2 * repeat, longest_repeat)) {
        pool_.cancel(handle, under_way);
        const auto answer = co_await c.await_end(rows, std::min(by, steady_clock::now() + repeat));
        switch (answer.end) {
        case sql_end::done: co_await a.records().log(log_stream::system, "The statement had been carried out when the stop reached it.\n"); co_return true;
        case sql_end::refused: co_return true;
        case sql_end::lost: co_return false;
        case sql_end::interrupted:
        case sql_end::late: break;
        }
        if (steady_clock::now() < by) continue;
        c.close();
        co_return false;
    }
}

awaitable<void> sql_runner::keep(sql_place& place, sql_connection& c)
{
    sql_session clean;
    if (c.is_open()) {
        sql_rows nothing(0, 0);
        const auto answer = co_await c.run(forget_session, {}, nothing, steady_clock::now() + housekeeping);
        if (answer.end == sql_end::done) clean = c.release();
        c.close();
    }
    const bool kept = clean != nullptr;
    place.give_back(std::move(clean));
    if (kept && !watch_->armed) look(watch_);
}

void sql_runner::arm(const std::shared_ptr<watch>& what, deadline at)
{
    what->armed = true;
    what->timer.expires_at(at);
    what->timer.async_wait([weak = std::weak_ptr(what)](const boost::system::error_code& ec) {
        if (const auto still = weak.lock(); still && !ec) look(still);
    });
}

void sql_runner::look(const std::shared_ptr<watch>& what)
{
    what->armed = false;
    if (const auto next = what->pool.close_idle(steady_clock::now())) arm(what, *next);
}

}
