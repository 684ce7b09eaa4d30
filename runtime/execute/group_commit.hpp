#pragma once

#include "storage/session.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace rowlock::runtime {

// A database thread that commits what has gathered while the commit before was under way: the batch grows with the load, and a lone item
// waits for nothing. Bounded by weight (an item weighs the executions that it holds).
//
// Callers who wait for their answers come back all together, a moment after it. A batch that began with the first of them would be small, and
// the rest would wait for the commit after it; so a batch that follows a large one waits for half as many, no longer than `longest_gather`.
template <class Item>
class group_commit {
public:
    struct options {
        storage::session_options session;
        std::size_t max_waiting;                     // weight that may wait; past it add() refuses
        std::size_t max_batch;                       // weight of a batch; a single item may be heavier
    };
    // Commits a batch. Everything that the items await is answered before it returns; throws nothing.
    using commit_function = std::function<void(storage::session&, std::vector<Item>&)>;

    group_commit(options o, commit_function commit) : options_(std::move(o)), commit_(std::move(commit)), thread_([this] { work(); }) {}
    ~group_commit() { stop(); }

    group_commit(const group_commit&) = delete;
    group_commit& operator=(const group_commit&) = delete;

    // False where too much waits, or it is stopping; the item is then untouched. Any thread.
    bool add(Item& item, std::size_t weight)
    {
        const std::lock_guard lock(mutex_);
        if (stopping_ || (waiting_weight_ > 0 && waiting_weight_ + weight > options_.max_waiting)) return false;
        const bool idle = waiting_.empty();
        waiting_.push_back({std::move(item), weight});
        waiting_weight_ += weight;
        if (idle || waiting_.size() == wanted_) changed_.notify_one();
        return true;
    }

    std::size_t waiting() const
    {
        const std::lock_guard lock(mutex_);
        return waiting_weight_;
    }

    // Commits what waits, then ends.
    void stop()
    {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
            changed_.notify_one();
        }
        if (thread_.joinable()) thread_.join();
    }

private:
    static constexpr std::chrono::microseconds longest_gather{500};
    static constexpr std::size_t worth_waiting_for = 4;          // half of a batch of 8

    struct weighed {
        Item item;
        std::size_t weight;
    };

    void work()
    {
        storage::session session(options_.session);
        std::vector<Item> batch;
        std::size_t enough = 0;
        for (;;) {
            batch.clear();
            {
                std::unique_lock lock(mutex_);
                changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
                if (waiting_.empty()) return;
                if (enough >= worth_waiting_for && waiting_.size() < enough && !stopping_) {
                    wanted_ = enough;
                    changed_.wait_for(lock, longest_gather, [&] { return stopping_ || waiting_.size() >= enough; });
                    wanted_ = 0;
                }
                std::size_t weight = 0;
                while (!waiting_.empty() && (batch.empty() || weight + waiting_.front().weight <= options_.max_batch)) {
                    weight += waiting_.front().weight;
                    batch.push_back(std::move(waiting_.front().item));
                    waiting_.pop_front();
                }
                waiting_weight_ -= weight;
            }
            enough = batch.size() / 2;
            commit_(session, batch);
        }
    }

    options options_;
    commit_function commit_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<weighed> waiting_;
    std::size_t waiting_weight_ = 0;
    std::size_t wanted_ = 0;                         // so many are told of; 0: the first one alone
    bool stopping_ = false;
    std::thread thread_;
};

}
