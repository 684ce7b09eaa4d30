#include "runtime/async/core.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>

namespace rowlock::runtime {

core::core(int index) : boost::asio::io_context(1), index_(index) {}

void core::deliver(std::unique_ptr<resumable> what)
{
    bool post = false;
    {
        const std::lock_guard lock(mutex_);
        inbox_.push_back(std::move(what));
        post = !std::exchange(posted_, true);
    }
    if (post) boost::asio::post(executor(), [this] { drain(); });
}

void core::drain()
{
    {
        const std::lock_guard lock(mutex_);
        draining_.swap(inbox_);
        posted_ = false;
    }
    for (auto& each : draining_) each->resume();
    draining_.clear();
}

core_group::core_group(int count)
{
    for (int i = 0; i < std::max(count, 1); ++i) {
        cores_.push_back(std::make_unique<core>(i));
        guards_.emplace_back(cores_.back()->executor());
    }
}

core_group::~core_group()
{
    for (auto& each : cores_) each->stop();
    for (auto& thread : threads_) {
        if (thread.joinable()) thread.join();
    }
}

core& core_group::next()
{
    return *cores_[turn_.fetch_add(1, std::memory_order_relaxed) % cores_.size()];
}

void core_group::start()
{
    for (auto& each : cores_) threads_.emplace_back([c = each.get()] { c->run(); });
}

void core_group::join()
{
    for (auto& guard : guards_) guard.reset();
    for (auto& thread : threads_) thread.join();
    threads_.clear();
}

}
