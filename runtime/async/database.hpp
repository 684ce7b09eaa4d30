#pragma once

#include "runtime/async/suspend.hpp"
#include "storage/session_pool.hpp"

#include <spdlog/spdlog.h>
#include <type_traits>

namespace rowlock::runtime {

// The database as coroutines see it: a function runs on a database thread, and the coroutine goes on, on its own core, with
// what the function returned.
class database {
public:
    // `pool` outlives it.
    explicit database(storage::session_pool& pool) : pool_(pool) {}

    // Runs f(session&), which returns result<T> and does everything in one transaction. Errors: database_unavailable (nothing is
    // known about the outcome of a write), overloaded, stopping, internal (logged), and those of f. Never repeats.
    template <class F>
    awaitable<std::invoke_result_t<F&, storage::session&>> write(F f)
    {
        return run(std::move(f), 1);
    }

    // The same for a function that changes nothing: tried a second time where the connection had broken.
    template <class F>
    awaitable<std::invoke_result_t<F&, storage::session&>> read(F f)
    {
        return run(std::move(f), 2);
    }

    // Runs f(), which asks nothing of the database but computes for long, on such a thread, so that the caller's core goes on with other
    // work meanwhile; where it is not `long_`, here and at once. Errors: as of write().
    template <class F>
    awaitable<std::invoke_result_t<F&>> compute(bool long_, F f)
    {
        if (!long_) co_return f();
        co_return co_await run([f = std::move(f)](storage::session&) mutable { return f(); }, 1);
    }

private:
    template <class F>
    awaitable<std::invoke_result_t<F&, storage::session&>> run(F f, int tries)
    {
        using answer = std::invoke_result_t<F&, storage::session&>;
        return suspend_for<answer>([this, f = std::move(f), tries](std::unique_ptr<waiter<answer>> who) mutable {
            pool_.submit(std::make_unique<task<F, answer>>(std::move(f), tries, std::move(who)));
        });
    }

    template <class F, class Answer>
    class task final : public storage::database_task {
    public:
        task(F f, int tries, std::unique_ptr<waiter<Answer>> who) : f_(std::move(f)), tries_(tries), who_(std::move(who)) {}

        void run(storage::session& s) noexcept override
        {
            for (;;) {
                try {
                    // Before the waiter is given away: who throws must still have somebody to answer.
                    Answer answer = f_(s);
                    waiter<Answer>::answer(std::move(who_), std::move(answer));
                    return;
                } catch (const std::exception& e) {
                    if (storage::is_away(e)) {
                        s.disconnect();
                        if (--tries_ > 0) continue;
                        waiter<Answer>::answer(std::move(who_), error{errc::database_unavailable, "The database cannot be reached. Try again.", {}, std::chrono::seconds{1}});
                    } else if (storage::is_passing(e)) {
                        spdlog::warn("a statement was given up: {}", e.what());
                        waiter<Answer>::answer(std::move(who_), error{errc::database_unavailable, "The database could not do this now. Try again.", {}, std::chrono::seconds{1}});
                    } else {
                        spdlog::error("a statement failed: {}", e.what());
                        waiter<Answer>::answer(std::move(who_), error{errc::internal, "A statement failed. The server's log says why."});
                    }
                    return;
                }
            }
        }

        void refuse(errc why) noexcept override
        {
            waiter<Answer>::answer(std::move(who_), error{why, std::string(sentence(why)), {}, std::chrono::seconds{1}});
        }

    private:
        F f_;
        int tries_;
        std::unique_ptr<waiter<Answer>> who_;
    };

    storage::session_pool& pool_;
};

}
