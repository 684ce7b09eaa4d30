#pragma once

#include "storage/model/error.hpp"

#include <atomic>
#include <cstddef>
#include <utility>

namespace rowlock::api {

// An amount of which there is only so much for all cores together. Any thread.
class budget {
public:
    explicit budget(std::size_t most) : most_(most) {}
    budget(const budget&) = delete;
    budget& operator=(const budget&) = delete;

    // False: there is not so much left, and nothing was taken.
    bool take(std::size_t n) noexcept
    {
        auto taken = taken_.load(std::memory_order_relaxed);
        do {
            if (n > most_ || taken > most_ - n) return false;
        } while (!taken_.compare_exchange_weak(taken, taken + n, std::memory_order_relaxed));
        return true;
    }
    void give(std::size_t n) noexcept { taken_.fetch_sub(n, std::memory_order_relaxed); }

    std::size_t taken() const noexcept { return taken_.load(std::memory_order_relaxed); }
    std::size_t most() const noexcept { return most_; }

private:
    const std::size_t most_;
    std::atomic<std::size_t> taken_{0};
};

// What one holder has of a budget, which outlives it; given back at its end. One thread at a time.
class share {
public:
    explicit share(budget& of) noexcept : of_(&of) {}
    share(share&& other) noexcept : of_(other.of_), size_(std::exchange(other.size_, 0)) {}
    share(const share&) = delete;
    share& operator=(const share&) = delete;
    share& operator=(share&&) = delete;
    ~share() { of_->give(size_); }

    // To have `n` in all. False: there is not so much left, and the share is as it was. Less is always granted.
    bool resize(std::size_t n) noexcept
    {
        if (n > size_ && !of_->take(n - size_)) return false;
        if (n < size_) of_->give(size_ - n);
        size_ = n;
        return true;
    }
    std::size_t size() const noexcept { return size_; }
    const budget& whole() const noexcept { return *of_; }

private:
    budget* of_;
    std::size_t size_ = 0;
};

// What the server has only so much of. Past each bound a client is answered 503 with Retry-After.
struct bounds {
    budget connections;
    budget streams;          // followed logs and WebSockets: a place each
    budget body_memory;      // bytes of bodies, and of what is parsed of them, beyond what each connection may have anyhow
};

// The refusal of a body, a message or an answer that finds no room; `for_good`: it would not find any in an idle server either.
error no_room_for_body(bool for_good, const bounds& limits);
// The refusal of one stream more.
error too_many_streams(const bounds& limits);

}
