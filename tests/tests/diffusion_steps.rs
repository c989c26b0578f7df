//! The grids of times, against diffusers' rounding and IF's published lists.

use imagen_engine::diffusion::{
    Betas, CosineSchedule, DiscreteSchedule, End, Grid, Level, NoiseSchedule, RESPACED_NAMES, Spacing, Step, plan, respaced,
};
use imagen_protocol::SamplerKind::{self, Ddim, Ddpm, Dpmpp2m};
use imagen_protocol::Steps;

const NO_CLIP: f64 = f64::NEG_INFINITY;

fn schedule(spacing: Spacing, steps_offset: usize, end: End) -> NoiseSchedule {
    let grid = Grid { spacing, steps_offset, end };
    NoiseSchedule::Discrete(DiscreteSchedule::new(Betas::SquaredcosCapV2 { timesteps: 1000 }, grid).expect("a schedule"))
}

fn cosine() -> NoiseSchedule {
    NoiseSchedule::Cosine(CosineSchedule::new(-12.0, 12.0, -1.0).expect("a schedule"))
}

fn times(spacing: Spacing, offset: usize, sampler: SamplerKind, n: u32) -> Vec<f64> {
    let steps = plan(&schedule(spacing, offset, End::Clean), &Steps::Count(n), sampler, NO_CLIP).expect("a plan");
    steps.iter().map(|step| step.time).collect()
}

#[test]
fn diffusion_spacings_round_as_diffusers() {
    for sampler in [Ddpm, Ddim] {
        assert_eq!(times(Spacing::Leading, 0, sampler, 3), [666.0, 333.0, 0.0]);
        assert_eq!(times(Spacing::Leading, 1, sampler, 5), [801.0, 601.0, 401.0, 201.0, 1.0]);
        assert_eq!(times(Spacing::Leading, 0, sampler, 1), [0.0]);
        // Ties to even: 499.5 is 500.
        assert_eq!(times(Spacing::Linspace, 0, sampler, 3), [999.0, 500.0, 0.0]);
        assert_eq!(times(Spacing::Linspace, 0, sampler, 5), [999.0, 749.0, 500.0, 250.0, 0.0]);
        assert_eq!(times(Spacing::Trailing, 0, sampler, 3), [999.0, 666.0, 332.0]);
        assert_eq!(times(Spacing::Trailing, 0, sampler, 1), [999.0]);
    }
    assert_eq!(times(Spacing::Leading, 0, Ddpm, 100)[..3], [990.0, 980.0, 970.0]);
    assert_eq!(times(Spacing::Linspace, 0, Dpmpp2m, 4), [999.0, 749.0, 500.0, 250.0]);
    assert_eq!(times(Spacing::Leading, 1, Dpmpp2m, 4), [801.0, 601.0, 401.0, 201.0]);
    assert_eq!(times(Spacing::Trailing, 0, Dpmpp2m, 4), [999.0, 749.0, 499.0, 249.0]);
}

/// 1000 / 48 has no exact double, and every third point lies on a tie: the rounding of numpy's arange decides it.
#[test]
fn diffusion_trailing_ties_fall_as_numpys() {
    let expected = "999 978 957 936 916 895 874 853 832 811 791 770 749 728 707 686 666 645 624 603 582 561 541 520 499 \
                    478 457 436 416 395 374 353 332 311 291 270 249 228 207 186 166 145 124 103 82 61 41 20";
    let expected: Vec<f64> = expected.split(' ').map(|t| t.parse().expect("a number")).collect();
    assert_eq!(times(Spacing::Trailing, 0, Ddim, 48), expected);
}

#[test]
fn diffusion_every_count_gives_falling_times() {
    for spacing in [Spacing::Linspace, Spacing::Leading, Spacing::Trailing] {
        for sampler in [Ddpm, Ddim, Dpmpp2m] {
            for n in 1..=300 {
                let times = times(spacing, 0, sampler, n);
                assert_eq!(times.len(), n as usize, "{spacing:?} {sampler:?}");
                assert!(times.windows(2).all(|pair| pair[0] > pair[1]), "{spacing:?} {sampler:?} {n}");
            }
        }
    }
}

#[test]
fn diffusion_lambda_clip_leaves_out_the_noisiest_times() {
    // lambda falls below -5.1 at timestep 996 of the squared cosine.
    let schedule = schedule(Spacing::Linspace, 0, End::Clean);
    let clipped = |sampler| {
        let steps = plan(&schedule, &Steps::Count(10), sampler, -5.1).expect("a plan");
        steps.iter().map(|step| step.time).collect::<Vec<_>>()
    };
    assert_eq!(clipped(Dpmpp2m), [995.0, 896.0, 796.0, 696.0, 597.0, 498.0, 398.0, 298.0, 199.0, 100.0]);
    assert_eq!(clipped(Ddpm)[0], 999.0, "the clip is the solver's alone");
    let steps = plan(&cosine(), &Steps::Count(4), Dpmpp2m, -2.0).expect("a plan");
    assert!((steps[0].from.lambda() + 2.0).abs() < 1e-9, "{:?}", steps[0]);
    for schedule in [schedule, cosine()] {
        let error = plan(&schedule, &Steps::Count(4), Dpmpp2m, 90.0).expect_err("nothing is left");
        assert!(error.to_string().contains("lambda_min_clipped"), "{error}");
    }
}

#[test]
fn diffusion_continuous_steps_run_from_1_to_clean() {
    let steps = plan(&cosine(), &Steps::Count(4), Ddpm, NO_CLIP).expect("a plan");
    assert_eq!(steps.iter().map(|step| step.time).collect::<Vec<_>>(), [1000.0, 750.0, 500.0, 250.0]);
    assert!(steps.windows(2).all(|pair| pair[0].to == pair[1].from), "steps are joined");
    assert_eq!(steps[3].to, Level::CLEAN);
    assert_eq!(steps[2].to, cosine().level(0.25));
}

#[test]
fn diffusion_discrete_steps_are_joined_and_end_as_said() {
    for sampler in [Ddpm, Ddim, Dpmpp2m] {
        for end in [End::Clean, End::Lowest] {
            let schedule = schedule(Spacing::Trailing, 0, end);
            let steps = plan(&schedule, &Steps::Count(7), sampler, NO_CLIP).expect("a plan");
            assert!(steps.windows(2).all(|pair: &[Step]| pair[0].to == pair[1].from));
            let clean = end == End::Clean || sampler == Ddpm;
            assert_eq!(steps[6].to, if clean { Level::CLEAN } else { schedule.level(0.0) }, "{sampler:?} {end:?}");
        }
    }
}

#[test]
fn diffusion_if_lists_follow_their_rule() {
    let lists = [
        ("fast27", "999 800 799 600 599 500 400 399 377 355 333 311 288 266 244 222 200 199 177 155 133 111 88 66 44 22 0"),
        ("smart27", "999 976 952 928 905 882 858 857 810 762 715 714 572 429 428 286 285 238 190 143 142 118 95 71 47 24 0"),
        (
            "smart50",
            "999 988 977 966 955 944 933 922 911 900 899 879 859 840 820 800 799 766 733 700 699 650 600 599 500 499 \
             400 399 350 300 299 266 233 200 199 179 159 140 120 100 99 88 77 66 55 44 33 22 11 0",
        ),
        (
            "smart100",
            "999 995 992 989 985 981 978 975 971 967 964 961 957 956 951 947 942 937 933 928 923 919 914 913 908 903 \
             897 892 887 881 876 871 870 864 858 852 846 840 834 828 827 820 813 806 799 792 785 784 777 770 763 756 \
             749 742 741 733 724 716 707 699 698 688 677 666 656 655 645 634 623 613 612 598 584 570 569 555 541 527 \
             526 505 484 483 462 440 439 396 395 352 351 308 307 264 263 220 219 176 132 88 44 0",
        ),
        (
            "smart185",
            "999 997 995 992 990 988 986 984 981 979 977 975 972 970 968 966 964 961 959 957 956 954 951 949 946 944 \
             941 939 936 934 931 929 926 924 921 919 916 914 913 910 907 905 902 899 896 893 891 888 885 882 879 877 \
             874 871 870 867 864 861 858 855 852 849 846 843 840 837 834 831 828 827 824 821 817 814 811 808 804 801 \
             798 795 791 788 785 784 780 777 774 770 766 763 760 756 752 749 746 742 741 737 733 730 726 722 718 714 \
             710 707 703 699 698 694 690 685 681 677 673 669 664 660 656 655 650 646 641 636 632 627 622 618 613 612 \
             607 602 596 591 586 580 575 570 569 563 557 551 545 539 533 527 526 519 512 505 498 491 484 483 474 466 \
             457 449 440 439 428 418 407 396 395 381 366 352 351 330 308 307 286 264 263 242 220 219 176 175 132 131 \
             88 44 0",
        ),
        ("super27", "999 991 982 974 966 958 950 941 933 925 916 908 900 899 874 850 825 800 799 700 600 500 400 300 200 100 0"),
        (
            "super40",
            "999 992 985 978 971 964 957 949 942 935 928 921 914 907 900 899 879 859 840 820 800 799 766 733 700 699 \
             650 600 599 500 499 400 399 300 299 200 199 100 99 0",
        ),
        (
            "super100",
            "999 996 992 989 985 982 979 975 972 968 965 961 958 955 951 948 944 941 938 934 931 927 924 920 917 914 \
             910 907 903 900 899 891 884 876 869 861 853 846 838 830 823 815 808 800 799 788 777 766 755 744 733 722 \
             711 700 699 688 677 666 655 644 633 622 611 600 599 585 571 557 542 528 514 500 499 485 471 457 442 428 \
             414 400 399 379 359 340 320 300 299 279 259 240 220 200 199 166 133 100 99 66 33 0",
        ),
    ];
    assert_eq!(lists.len(), RESPACED_NAMES.len());
    for (name, list) in lists {
        let expected: Vec<usize> = list.split(' ').map(|t| t.parse().expect("a number")).collect();
        let ours = respaced(name).expect(name);
        assert_eq!(ours, expected, "{name}");
        let digits: String = name.chars().filter(char::is_ascii_digit).collect();
        assert_eq!(ours.len().to_string(), digits, "{name}");
        let steps = plan(&schedule(Spacing::Leading, 0, End::Clean), &Steps::Named(name.into()), Ddpm, NO_CLIP).expect(name);
        assert_eq!(steps.iter().map(|step| step.time as usize).collect::<Vec<_>>(), expected, "{name}");
    }
}

#[test]
fn diffusion_bad_steps_are_refused() {
    let named = |name: &str| Steps::Named(name.into());
    let leading = schedule(Spacing::Leading, 0, End::Clean);
    let short = NoiseSchedule::Discrete(
        DiscreteSchedule::new(Betas::SquaredcosCapV2 { timesteps: 500 }, Grid::default()).expect("a schedule"),
    );
    let offset = schedule(Spacing::Leading, 10, End::Clean);
    for (schedule, steps, sampler, word) in [
        (&leading, Steps::Count(0), Ddpm, "steps"),
        (&leading, Steps::Count(1001), Ddpm, "1000"),
        (&leading, Steps::Count(1000), Dpmpp2m, "999"),
        (&leading, Steps::Count(u32::MAX), Dpmpp2m, "steps"),
        (&leading, named("smart51"), Ddpm, "smart50"),
        (&short, named("smart50"), Ddpm, "500 timesteps"),
        (&offset, Steps::Count(1000), Ddim, "steps_offset"),
        (&cosine(), Steps::Count(0), Ddpm, "steps"),
        (&cosine(), Steps::Count(1001), Ddpm, "1000"),
        (&cosine(), named("smart50"), Ddpm, "continuous"),
    ] {
        let error = plan(schedule, &steps, sampler, NO_CLIP).expect_err("refused").to_string();
        assert!(error.contains(word), "{steps:?}: {error}");
    }
}
