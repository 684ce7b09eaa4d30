#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <utility>

namespace rowlock::runtime {

// How many more executions this instance may take on. A slot is taken before the statement that claims, and given back when
// the end is durable. Any thread.
class slots {
public:
    explicit slots(int total) : total_(total), free_(total) {}

    // Takes as many as there are, at most `wanted`.
    int take(int wanted)
    {
        int have = free_.load(std::memory_order_relaxed);
        for (;;) {
            const int n = std::min(have, wanted);
            if (n <= 0) return 0;
            if (free_.compare_exchange_weak(have, have - n, std::memory_order_acq_rel)) return n;
        }
    }
    void give(int n)
    {
        if (n <= 0) return;
        free_.fetch_add(n, std::memory_order_acq_rel);
        if (freed_) freed_();
    }

    // Takes one whether there is one or not: for what ends without having used its own, which is then given back as every other.
    void borrow() { free_.fetch_sub(1, std::memory_order_acq_rel); }

    // Called, by whoever gives some back, when there are free slots again. Set before anybody takes one.
    void when_freed(std::function<void()> freed) { freed_ = std::move(freed); }

    // Below zero where some are borrowed.
    int available() const { return free_.load(std::memory_order_relaxed); }
    int in_use() const { return total_ - available(); }

private:
    int total_;
    std::atomic<int> free_;
    std::function<void()> freed_;
};

}
