#include "runtime/execute/callback_board.hpp"

#include "runtime/async/task_group.hpp"
#include "runtime/execute/channel.hpp"
#include "storage/callback_store.hpp"
#include "storage/json_paths.hpp"
#include "storage/queue_store.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <openssl/rand.h>

namespace rowlock::runtime {

namespace {

constexpr std::chrono::seconds longest_gap{1};
constexpr std::chrono::milliseconds shortest_gap{5};
constexpr std::chrono::minutes sweep_gap{1};
constexpr int most_at_once = 100;                    // reports: each may bring a megabyte
constexpr int swept_at_once = 1000;

std::string new_secret()
{
    unsigned char bytes[32];
    if (RAND_bytes(bytes, sizeof bytes) != 1) throw std::runtime_error("the system has no random bytes");
    std::string hex;
    for (const auto byte : bytes) hex += fmt::format("{:02x}", byte);
    return hex;
}

callback_report report_of(storage::callback_state state)
{
    return {state.status, state.progress, std::move(state.reply)};
}

// Calls the function of an attempt on the attempt's core.
class delivery final : public resumable {
public:
    delivery(callback_functions::heard heard, callback_report report) : heard_(std::move(heard)), report_(std::move(report)) {}
    void resume() override { heard_(std::move(report_)); }

private:
    callback_functions::heard heard_;
    callback_report report_;
};

}

struct callback_board::place {
    core& home;
    instance_id owner;
    callback_functions::heard heard;
};

callback_board::callback_board(database& db, core& home) : db_(db), home_(home), next_look_(home.executor()) {}

callback_functions callback_board::functions()
{
    return {.open = [this](const assignment& work, callback_functions::heard heard) { return open(work, std::move(heard)); },
            .close = [this](execution_id id) { close(id); },
            .leave = [this](execution_id id) { leave(id); }};
}

awaitable<result<callback_line>> callback_board::open(const assignment& work, callback_functions::heard heard)
{
    const auto id = work.id;
    const auto owner = work.owner;
    core& here = core::of(co_await boost::asio::this_coro::executor);
    const auto mine = std::make_shared<place>(place{here, owner, std::move(heard)});
    {
        const std::lock_guard lock(mutex_);
        waiting_[id] = mine;
    }
    // A read, as far as its repeats go: to open it twice is to open it once.
    auto opened = co_await db_.read([id, owner, claim = work.fence, secret = new_secret()](storage::session& s) { return storage::open_callback(s, id, owner, claim, secret); });
    if (!opened) {
        leave(id);
        co_return opened.error();
    }
    callback_line line{{base_url_ + "/v1/executions/" + id.str() + "/complete", std::move(opened->secret)}};
    if (opened->now.status != execution_status::running) line.ended = report_of(std::move(opened->now));
    co_return line;
}

void callback_board::close(execution_id id)
{
    {
        const std::lock_guard lock(mutex_);
        waiting_.erase(id);
        closed_.push_back(id);
    }
    wake();
}

void callback_board::leave(execution_id id)
{
    const std::lock_guard lock(mutex_);
    waiting_.erase(id);
}

void callback_board::poke()
{
    {
        const std::lock_guard lock(mutex_);
        if (waiting_.empty()) return;
    }
    wake();
}

void callback_board::taken(execution_id id)
{
    {
        const std::lock_guard lock(mutex_);
        if (!waiting_.contains(id)) others_to_tell_ = true;
    }
    wake();
}

void callback_board::wake()
{
    boost::asio::post(home_.executor(), [this] {
        if (std::exchange(woken_, true)) return;
        next_look_.cancel();
    });
}

// False once the service is to end.
awaitable<bool> callback_board::wait()
{
    if (!woken_) {
        next_look_.expires_after(longest_gap);
        boost::system::error_code ignored;
        co_await next_look_.async_wait(boost::asio::redirect_error(use_awaitable, ignored));
    }
    woken_ = false;
    const auto state = co_await boost::asio::this_coro::cancellation_state;
    co_return state.cancelled() == boost::asio::cancellation_type::none;
}

awaitable<void> callback_board::run()
{
    auto sweep_due = steady_clock::now() + sweep_gap;
    while (co_await wait()) {
        co_await tell_others();
        co_await drop_closed();
        co_await look();
        if (steady_clock::now() >= sweep_due) {
            co_await sweep();
            sweep_due = steady_clock::now() + sweep_gap;
        }
        // What comes in close succession is brought together.
        if (!co_await sleep_until(steady_clock::now() + shortest_gap)) co_return;
    }
}

awaitable<void> callback_board::tell_others()
{
    {
        const std::lock_guard lock(mutex_);
        if (!std::exchange(others_to_tell_, false)) co_return;
    }
    // Where this is lost, the instance that waits finds the report within a second.
    co_await db_.write([](storage::session& s) -> result<void> {
        storage::notify(s, wake_channel, callback_payload);
        return {};
    });
}

awaitable<void> callback_board::drop_closed()
{
    std::vector<execution_id> ids;
    {
        const std::lock_guard lock(mutex_);
        ids.swap(closed_);
    }
    if (ids.empty()) co_return;
    const auto dropped = co_await db_.write([ids](storage::session& s) -> result<void> {
        storage::close_callbacks(s, ids);
        return {};
    });
    if (dropped) co_return;
    const std::lock_guard lock(mutex_);
    closed_.insert(closed_.end(), ids.begin(), ids.end());
}

awaitable<void> callback_board::look()
{
    // One, unless the instance has been declared dead and has joined anew.
    std::set<instance_id> owners;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [id, each] : waiting_) owners.insert(each->owner);
    }
    for (const auto owner : owners) {
        while (co_await look_for(owner)) {}
    }
}

// True: there may be more.
awaitable<bool> callback_board::look_for(instance_id owner)
{
    auto unseen = co_await db_.read([owner](storage::session& s) -> result<std::vector<storage::callback_state>> { return storage::unseen_callbacks(s, owner, most_at_once); });
    if (!unseen || unseen->empty()) co_return false;
    for (auto& each : *unseen) {
        std::shared_ptr<place> to;
        {
            const std::lock_guard lock(mutex_);
            if (const auto at = waiting_.find(each.id); at != waiting_.end()) to = at->second;
        }
        if (to) to->home.deliver(std::make_unique<delivery>(to->heard, report_of(std::move(each))));
    }
    // An end that is not marked would be brought once more, which does no harm.
    const auto n = unseen->size();
    const auto marked = co_await db_.write([seen = std::move(*unseen)](storage::session& s) -> result<void> {
        storage::mark_callbacks_seen(s, seen);
        return {};
    });
    co_return marked && n == most_at_once;
}

awaitable<void> callback_board::sweep()
{
    for (;;) {
        const auto swept = co_await db_.write([](storage::session& s) -> result<int> { return storage::sweep_callbacks(s, swept_at_once); });
        if (!swept || *swept < swept_at_once) co_return;
    }
}

namespace {

awaitable<result<status_answer>> evaluate(database& db, status_question asked)
{
    co_return co_await db.read([asked = std::move(asked)](storage::session& s) -> result<status_answer> {
        const auto said = storage::ask_json(s, asked.body, asked.success, asked.failure, asked.progress);
        if (!said) return said.error();
        return status_answer{said->success, said->failure, said->progress};
    });
}

}

std::function<awaitable<result<status_answer>>(status_question)> evaluation_by(database& db)
{
    return [&db](status_question asked) { return evaluate(db, std::move(asked)); };
}

}
