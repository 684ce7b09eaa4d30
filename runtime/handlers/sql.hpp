#pragma once

#include "runtime/handlers/handlers.hpp"
#include "runtime/handlers/sql_connection.hpp"
#include "runtime/handlers/sql_pool.hpp"

#include <memory>

namespace rowlock::runtime {

// Carries out the statements of sql jobs (spec W6). One for each core, used on it; `pool` is shared by all and outlives it.
class sql_runner {
public:
    sql_runner(io_executor executor, sql_pool& pool);
    ~sql_runner();

    sql_runner(const sql_runner&) = delete;
    sql_runner& operator=(const sql_runner&) = delete;

    // As handlers::perform.
    awaitable<outcome> run(attempt& a, const sql_handler& handler);

private:
    // When what is kept idle is to be looked at. What the timer's handler holds: it may be called once more after the runner has gone.
    struct watch {
        explicit watch(io_executor executor, sql_pool& of) : timer(executor), pool(of) {}
        steady_timer timer;
        sql_pool& pool;
        bool armed = false;
    };
    static void look(const std::shared_ptr<watch>& what);
    static void arm(const std::shared_ptr<watch>& what, deadline at);

    awaitable<outcome> run_at(attempt& a, const sql_handler& handler, sql_connection& c, std::string statement, std::vector<sql_bind> binds);
    awaitable<attempted<void>> make_ready(attempt& a, const sql_handler& handler, sql_connection& c);
    awaitable<bool> has_ended_by_cancel(attempt& a, sql_connection& c, sql_rows& rows);
    awaitable<void> keep(sql_place& place, sql_connection& c);

    io_executor executor_;
    sql_pool& pool_;
    std::shared_ptr<watch> watch_;
};

}
