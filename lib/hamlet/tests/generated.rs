//! Properties of the generated code, on the code itself: the golden files, which `golden.rs` keeps equal to the output.

/// From `/capabilities.hl`.
#[cfg(test)]
#[expect(dead_code, reason = "tests use a part of it")]
mod capabilities {
    /// As in kpi.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct CapRights(pub u8);

    include!("golden/capabilities.rs");
}

/// From the sample with every construct.
#[cfg(test)]
#[expect(dead_code, reason = "tests use a part of it")]
mod sample {
    /// As in kpi.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct CapRights(pub u8);

    include!("golden/sample.rs");
}

#[cfg(test)]
mod relations;

#[cfg(test)]
mod examples {
    use super::capabilities::{
        CapRights, CapType, Capability, EndPointLmp, Frame, FrameMapping, Kernel, MappedBy,
        Mapping, Memory, ObjType, Ram, VNode, View, is_well_founded,
    };
    use super::sample;

    const ALL_RIGHTS: CapRights = CapRights(0x1f);

    #[test]
    fn type_numbers_and_names() {
        assert_eq!(ObjType::COUNT, 35);
        for (number, objtype) in ObjType::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(objtype as u8), number);
            assert_eq!(ObjType::from_u8(objtype as u8), Some(objtype));
            assert_eq!(ObjType::from_name(objtype.name()), Some(objtype));
        }
        assert_eq!(ObjType::from_u8(ObjType::COUNT as u8), None);
        assert_eq!(ObjType::from_name("ram"), None);
        assert_eq!(ObjType::EndPointLmp.name(), "EndPointLMP");
        assert_eq!(format!("{:>6}|", ObjType::Ram), "   RAM|");
    }

    /// What the compiler is told is what the kernel asks, but for types that record mappings.
    #[test]
    fn retypes_that_compile() {
        let code = include_str!("golden/capabilities.rs");
        let written: Vec<&str> = code
            .lines()
            .filter(|line| line.starts_with("impl RetypesTo<"))
            .collect();
        let mut expected = Vec::new();
        for src in ObjType::ALL {
            for dst in ObjType::ALL {
                if is_well_founded(src, dst) && !dst.is_mapping() {
                    expected.push(format!("impl RetypesTo<{dst:?}> for {src:?} {{}}"));
                }
            }
        }
        assert_eq!(written, expected);
        assert!(written.contains(&"impl RetypesTo<Frame> for Ram {}"));
    }

    #[test]
    fn types_know_their_capabilities() {
        let memory = Memory {
            base: 0x4000_0000,
            bytes: 0x1000,
            pasid: 0,
        };
        let ram = Capability::new_memory(ObjType::Ram, memory, ALL_RIGHTS);
        let ram = ram.unwrap_or(Capability::NULL);
        assert_eq!(Ram::of(&ram).map(|ram| ram.bytes), Some(0x1000));
        assert_eq!(Frame::of(&ram), None);
        assert_eq!(
            Kernel::of(&Capability::new_kernel(ALL_RIGHTS)),
            Some(Kernel)
        );
        assert_eq!(<Frame as MappedBy>::Mapping::OBJTYPE, ObjType::FrameMapping);
    }

    #[test]
    fn families() {
        assert_eq!(ObjType::Null.type_root(), 0);
        for objtype in ObjType::ALL {
            if let Some(parent) = objtype.parent() {
                assert_eq!(objtype.type_root(), parent.type_root(), "{objtype}");
                assert!(parent < objtype);
            }
            if let Some(mapping) = objtype.mapping() {
                assert!(mapping.is_mapping() && mapping.parent() == Some(objtype));
            }
        }
        assert_eq!(
            ObjType::EndPointLmp.type_root(),
            ObjType::PhysAddr.type_root()
        );
        assert_eq!(
            ObjType::Domain.type_root(),
            ObjType::ProcessManager.type_root()
        );
        assert!(ObjType::L1CNode.is_cnode() && ObjType::VNodeAarch64L2.is_vnode());
        assert!(!ObjType::VNodeAarch64L2Mapping.is_vnode());
        assert_eq!(ObjType::Ram.mapping(), None);
        assert!(ObjType::Dispatcher.can_retype_multiple() && !ObjType::Ram.can_retype_multiple());
        assert_eq!(ObjType::L2CNode.fixed_size(), Some(16384));
        assert_eq!(ObjType::Frame.fixed_size(), None);
        assert_eq!(super::capabilities::OBJSIZE_KERNELCONTROLBLOCK, 131072);
    }

    #[test]
    fn printing() {
        let frame = Frame {
            base: 0x4020_0000,
            bytes: 0x1000,
            pasid: 0,
        };
        let frame = Capability::new_frame(frame, CapRights(0x1b));
        assert_eq!(frame.to_string(), "Frame 0x40200000+0x1000 rw-gi");
        let endpoint = EndPointLmp {
            listener: 0x4000_0400,
            epoffset: 0x100,
            epbuflen: 21,
            iftype: 0,
        };
        let endpoint = Capability::new_end_point_lmp(endpoint, ALL_RIGHTS);
        assert_eq!(
            endpoint.to_string(),
            "EndPointLMP 0x40000400+0x0 epoffset=0x100 rwxgi"
        );
        assert_eq!(
            Capability::new_kernel(CapRights(1)).to_string(),
            "Kernel r----"
        );
        assert_eq!(Capability::NULL.to_string(), "Null");
    }

    #[test]
    fn record_is_aligned_and_small() {
        assert_eq!(size_of::<Capability>(), 24);
        assert_eq!(align_of::<Capability>(), 8);
        assert_eq!(Capability::NULL.to_words(), [0; 3]);
    }

    #[test]
    fn words_that_are_no_capability() {
        let ram = Ram {
            base: 0x1000,
            bytes: 0x1000,
            pasid: 0,
        };
        let [w0, w1, w2] = Capability::new_ram(ram, ALL_RIGHTS).to_words();
        assert!(Capability::from_words([w0, w1, w2]).is_some());
        assert!(
            Capability::from_words([w0, w1, w2 | (0xff << 48)]).is_none(),
            "type"
        );
        assert!(
            Capability::from_words([w0, w1, w2 | (1 << 32)]).is_none(),
            "unused bits"
        );
        assert!(
            Capability::from_words([1, 0, 0]).is_none(),
            "Null holds nothing"
        );
    }

    #[test]
    fn heirs_share_readers_and_constructors() {
        let memory = Memory {
            base: 0x1000,
            bytes: 0x2000,
            pasid: 3,
        };
        for objtype in ObjType::ALL {
            let made = Capability::new_memory(objtype, memory, ALL_RIGHTS);
            assert_eq!(
                made.is_some(),
                objtype.is_memory() && objtype != ObjType::EndPointUmp
            );
            let mapping = Mapping {
                base: 0x1000,
                pte: 0x8,
                source_pages: 7,
                pte_count: 2,
            };
            let made = Capability::new_mapping(objtype, mapping, ALL_RIGHTS);
            assert_eq!(made.is_some(), objtype.is_mapping());
            if let Some(made) = made {
                assert_eq!((made.address(), made.size()), (0x1000, 1));
                assert_eq!(made.as_mapping(), Some(mapping));
                assert_eq!(made.as_memory(), None);
            }
            let table = Capability::new_vnode(objtype, VNode { base: 0x3000 }, ALL_RIGHTS);
            assert_eq!(table.is_some(), objtype.is_vnode());
        }
        let mapping = FrameMapping {
            base: 1,
            pte: 2,
            source_pages: 3,
            pte_count: 4,
        };
        let made = Capability::new_frame_mapping(mapping, ALL_RIGHTS);
        assert_eq!(made.view(), View::FrameMapping(mapping));
    }

    #[test]
    fn odd_sizes_and_addresses() {
        let rights = sample::CapRights(0);
        let table = sample::Table {
            base: 0x100,
            offset: 5,
            log: 6,
        };
        let table = sample::Capability::new_table(table, rights);
        assert_eq!((table.address(), table.size()), (0x105, 64));
        let block = sample::Block {
            start: 0x100,
            log: 200,
        };
        let block = sample::Capability::new_block(block, rights);
        assert_eq!((block.address(), block.size()), (0x140, 0));
        let page = sample::Page {
            base: 1,
            color: 2,
            mask: sample::CapRights(3),
        };
        let page = sample::Capability::new_page(page, rights);
        assert_eq!(page.size(), 4096);
        let mapping = sample::PageMapping {
            target: 9,
            priority: -1,
            r#type: 7,
        };
        let a = sample::Capability::new_page_mapping(mapping, rights);
        let mapping = sample::PageMapping {
            priority: 1,
            ..mapping
        };
        let b = sample::Capability::new_page_mapping(mapping, rights);
        assert_eq!(sample::compare(&a, &b), core::cmp::Ordering::Less, "signed");
        assert_eq!((a.address(), a.size()), (9, 80));
        assert_eq!(a.as_page_mapping().map(|view| view.priority), Some(-1));
        assert!(!sample::is_copy(&a, &b));
        assert!(sample::is_copy(&a, &a));
    }
}
