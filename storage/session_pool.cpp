#include "storage/session_pool.hpp"

#include <algorithm>

namespace rowlock::storage {

session_pool::session_pool(session_options options, int threads, std::size_t max_queued) : max_queued_(max_queued)
{
    for (int i = 0; i < threads; ++i) sessions_.push_back(std::make_unique<session>(options));
    for (auto& s : sessions_) threads_.emplace_back([this, session = s.get()] { work(*session); });
}

session_pool::~session_pool()
{
    stop();
}

void session_pool::submit(std::unique_ptr<database_task> task)
{
    bool stopping = false;
    {
        const std::lock_guard lock(mutex_);
        stopping = stopping_;
        if (!stopping && queue_.size() < max_queued_) {
            queue_.push_back(std::move(task));
            changed_.notify_one();
            return;
        }
    }
    task->refuse(stopping ? errc::stopping : errc::overloaded);
}

double session_pool::fullness() const
{
    const std::lock_guard lock(mutex_);
    return static_cast<double>(queue_.size()) / static_cast<double>(std::max<std::size_t>(max_queued_, 1));
}

void session_pool::stop()
{
    std::deque<std::unique_ptr<database_task>> left;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        left.swap(queue_);
        changed_.notify_all();
    }
    for (auto& task : left) task->refuse(errc::stopping);
    for (auto& thread : threads_) {
        if (thread.joinable()) thread.join();
    }
}

void session_pool::work(session& s)
{
    for (;;) {
        std::unique_ptr<database_task> task;
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
            if (stopping_) return;
            task = std::move(queue_.front());
            queue_.pop_front();
        }
        task->run(s);
    }
}

}
